"""The next turn of a long conversation, over HTTP, beside the same call with everything said again and nothing kept."""

import time
from collections.abc import Iterator
from typing import Any

import aiohttp
import msgspec

from benchmarks.contestants import MODEL
from benchmarks.instant import SAID
from benchmarks.peers.peer import Running
from benchmarks.processes import BenchmarkError
from tidegate.core.ids import new_id

WORDS = "the tide comes in and the tide goes out twice a day and no gate has ever asked it why " * 5
_WARM = 20

Json = dict[str, Any]


class Spread(msgspec.Struct, frozen=True):
    """How long something took, in milliseconds."""

    p10: float
    p50: float
    p99: float

    @staticmethod
    def of(seconds: list[float]) -> "Spread":
        """Of these."""
        sorted_ = sorted(1000 * one for one in seconds)
        return Spread(*(sorted_[int(len(sorted_) * share)] for share in (0.1, 0.5, 0.99)))


class _Talk:
    """One long talk. Its next turn can be asked with what was said before named, or said again."""

    def __init__(self, http: aiohttp.ClientSession, url: str, conversation: str | None) -> None:
        self._http = http
        self._url = url
        self._conversation = conversation
        self._last: str | None = None
        self._said: list[Json] = []

    async def named(self, *, stream: bool) -> float:
        """The next turn, what was said before named; the seconds that it took."""
        asked = _spoken("user", "input_text", f"{new_id('')} {WORDS}")
        before: Json = {"previous_response_id": self._last} if self._last else {}
        before = {"conversation": self._conversation} if self._conversation else before
        taken, answer = await self._ask({**before, "input": [asked], "stream": stream})
        self._last = _id_in(answer)
        self._said += [asked, _spoken("assistant", "output_text", SAID)]
        return taken

    async def said_again(self, *, stream: bool) -> float:
        """The same with everything in its input and nothing kept: it is no turn of this talk."""
        asked = _spoken("user", "input_text", f"{new_id('')} {WORDS}")
        return (await self._ask({"input": [*self._said, asked], "stream": stream, "store": False}))[0]

    async def _ask(self, body: Json) -> tuple[float, bytes]:
        data = msgspec.json.encode({"model": MODEL, **body})
        began = time.perf_counter()
        async with self._http.post(f"{self._url}/responses", data=data) as answer:
            content = await answer.read()
            if answer.status != 200:
                raise BenchmarkError(content.decode())
            return time.perf_counter() - began, content


def _spoken(role: str, kind: str, text: str) -> Json:
    return {"type": "message", "role": role, "content": [{"type": kind, "text": text}]}


def _id_in(answer: bytes) -> str:
    """The response's own id, which stands first in a body and in a stream."""
    begin = answer.index(b'"resp_') + 1
    return answer[begin : answer.index(b'"', begin)].decode()


async def measure(running: Running, *, turns: int, rounds: int) -> Iterator[tuple[str, Spread]]:
    """By its name, how long each kind of call takes after `turns` turns; the kinds by turns, call by call."""
    url = running.target.url.removesuffix("/chat/completions")
    headers = {"authorization": f"Bearer {running.target.key}", "content-type": "application/json"}
    found: list[tuple[str, Spread]] = []
    async with aiohttp.ClientSession(headers=headers) as http:
        async with http.post(f"{url}/conversations", data=b"{}") as answer:
            conversation = (await answer.json())["id"]
        for name, talk in (("conversation", _Talk(http, url, conversation)), ("chain", _Talk(http, url, None))):
            for _ in range(turns):
                await talk.named(stream=False)
            found += await _by_turns(talk, f"the next turn after {turns:,}, in a {name}", rounds)
    return iter(found)


async def _by_turns(talk: _Talk, name: str, rounds: int) -> list[tuple[str, Spread]]:
    kinds = [(stream, again) for stream in (False, True) for again in (False, True)]
    taken: dict[tuple[bool, bool], list[float]] = {kind: [] for kind in kinds}
    for round_ in range(_WARM + rounds):
        for (stream, again), seconds in taken.items():
            one = await (talk.said_again(stream=stream) if again else talk.named(stream=stream))
            if round_ >= _WARM:
                seconds.append(one)
    ways = {False: "whole", True: "streamed"}
    return [
        (f"{name}, {ways[stream]}{', said again unstored' if again else ''}", Spread.of(seconds))
        for (stream, again), seconds in taken.items()
    ]
