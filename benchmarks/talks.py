"""Conversations as clients hold them while servers die: what was acknowledged is noted, and looked for in the end."""

import asyncio
import contextlib
from random import Random
from typing import Any

import aiohttp
import msgspec

Json = dict[str, Any]

MODEL = "gpt-4o-mini"
_AGAIN = frozenset({409, 429, 500, 502, 503, 504})
_PAUSE_SECONDS = 0.05
_PATIENCE_SECONDS = 120.0
_PAGE = 100


class Turn(msgspec.Struct, frozen=True, kw_only=True):
    """One that was acknowledged."""

    asked: str
    response: str
    item: str
    answer: str
    previous: str | None


class House:
    """The replicas, and how they are called."""

    def __init__(self, http: aiohttp.ClientSession, urls: list[str], key: str) -> None:
        """Each URL ends in `/v1`."""
        self._http = http
        self._urls = urls
        self._headers = {"authorization": f"Bearer {key}"}

    async def get(self, path: str) -> Json:
        """A document, from whichever replica answers."""
        for url in self._urls * 50:
            with contextlib.suppress(aiohttp.ClientError):
                async with self._http.get(url + path, headers=self._headers) as answer:
                    if answer.status not in _AGAIN:
                        document: Json = msgspec.json.decode(await answer.read())
                        return document
            await asyncio.sleep(_PAUSE_SECONDS)
        raise RuntimeError(f"no replica answers {path}")

    async def post(self, path: str, body: Json, dice: Random) -> Json | None:
        """The final document of an answer, streamed or whole; None where there was none or it broke off."""
        url = dice.choice(self._urls) + path
        with contextlib.suppress(aiohttp.ClientError):
            async with self._http.post(url, json=body, headers=self._headers) as answer:
                data = await answer.read()
                if answer.status in _AGAIN:
                    return None
                if answer.status != 200:
                    raise RuntimeError(f"{answer.status}: {data!r}")
                return _last_event(data) if body.get("stream") else _document(data)
        return None


def _document(data: bytes) -> Json:
    document: Json = msgspec.json.decode(data)
    return document


def _last_event(stream: bytes) -> Json | None:
    events = [line[6:] for line in stream.split(b"\n") if line.startswith(b"data: ") and line != b"data: [DONE]"]
    last = _document(events[-1]) if events else {}
    response: Json | None = last.get("response") if last.get("type") == "response.completed" else None
    return response


class Talk:
    """One conversation: by its name, or by each response's previous one."""

    def __init__(self, house: House, dice: Random, *, named: bool) -> None:
        self._house = house
        self._dice = dice
        self._named = named
        self._conversation = ""
        self.turns: list[Turn] = []
        """Those that were acknowledged, in order."""
        self.broken = 0
        """Calls that were not, and were made again."""

    async def begin(self) -> None:
        """Make the conversation."""
        while self._named and not self._conversation:
            made = await self._house.post("/conversations", {}, self._dice)
            self._conversation = made["id"] if made else ""

    async def say(self, text: str) -> None:
        """Take a turn, again and again until it is acknowledged."""
        previous = self.turns[-1].response if self.turns else None
        place = {"conversation": self._conversation} if self._named else {"previous_response_id": previous}
        body = {"model": MODEL, "input": text, "stream": self._dice.random() < 0.5, **place}  # half
        async with asyncio.timeout(_PATIENCE_SECONDS):
            while (response := await self._house.post("/responses", body, self._dice)) is None:
                self.broken += 1
                await asyncio.sleep(_PAUSE_SECONDS)
        said = response["output"][-1]
        self.turns.append(
            Turn(
                asked=text,
                response=response["id"],
                item=said["id"],
                answer=said["content"][0]["text"],
                previous=None if self._named else previous,
            )
        )

    async def complaints(self) -> list[str]:
        """What is not as it was acknowledged to be."""
        found = [complaint for turn in self.turns for complaint in await self._of_response(turn)]
        return [*found, *(await self._of_conversation() if self._named else [])]

    async def _of_response(self, turn: Turn) -> list[str]:
        kept = await self._house.get(f"/responses/{turn.response}")
        if kept.get("id") != turn.response:
            return [f"{turn.response} was acknowledged and is not kept: {kept}"]
        said = [item for item in kept["output"] if item["id"] == turn.item]
        if not said or said[0]["content"][0]["text"] != turn.answer:
            return [f"{turn.response} says something else than it said"]
        if kept["previous_response_id"] != turn.previous:
            return [f"{turn.response} goes on from {kept['previous_response_id']}, not from {turn.previous}"]
        return []

    async def _of_conversation(self) -> list[str]:
        items = await self._items()
        roles = [item["role"] for item in items]
        if roles != ["user", "assistant"] * (len(items) // 2) or len(items) % 2:
            return [f"{self._conversation} is no clean alternation: {roles}"]
        places = {item["id"]: place for place, item in enumerate(items)}
        complaints, last = [], -1
        for turn in self.turns:
            place = places.get(turn.item, -1)
            if place < 0:
                complaints.append(f"{turn.item} was acknowledged and is not in {self._conversation}")
            elif items[place - 1]["content"][0]["text"] != turn.asked or place <= last:
                complaints.append(f"{turn.item} is not where it was said in {self._conversation}")
            last = max(last, place)
        return complaints

    async def _items(self) -> list[Json]:
        items: list[Json] = []
        after = ""
        while True:
            page = await self._house.get(f"/conversations/{self._conversation}/items?order=asc&limit={_PAGE}{after}")
            items += page["data"]
            if not page["has_more"]:
                return items
            after = f"&after={page['last_id']}"
