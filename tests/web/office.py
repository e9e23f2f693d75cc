"""The admin API behind a real socket, with all its real parts but the queue."""

from typing import Any

import aiohttp
import msgspec

from tests.harness import Answer, Json
from tidegate.auth.key_store import KeyStore
from tidegate.queue.store import LaneShown, Waiting

NO_LIMITS = dict.fromkeys(("rpm", "rpd", "tpm", "concurrency", "budget_day_usd", "budget_month_usd"))


class OneLane:
    """A queue in which one call waits."""

    async def show(self, now: float, *, most: int) -> tuple[LaneShown, ...]:
        assert (now > 0, most > 0) == (True, True)
        waiting = Waiting(request="req_1", process="p1", flow="shop", weight=16, tokens=9, waited=2.0, left=3.0)
        return (LaneShown(name="main/m", rpm=60, tpm=0, waiting=1, unanswered=4, held_for=0.0, heads=(waiting,)),)


class Office:
    """The admin API behind a real socket, and an admin key."""

    def __init__(self, root: str, key: str, http: aiohttp.ClientSession, keys: KeyStore) -> None:
        self.root = root
        self.keys = keys
        self._key = key
        self._http = http

    async def ask(self, method: str, path: str, body: Json | bytes | None = None, key: str | None = None) -> Answer:
        """One request below `/admin/v1`, with the admin key or another."""
        headers = {"authorization": f"Bearer {key or self._key}", "content-type": "application/json"}
        data = body if isinstance(body, bytes) or body is None else msgspec.json.encode(body)
        async with self._http.request(method, f"{self.root}/admin/v1{path}", data=data, headers=headers) as response:
            return Answer(response.status, response.headers, await response.text())

    async def get(self, path: str) -> Json:
        """What a GET gives."""
        answer = await self.ask("GET", path)
        assert answer.status == 200, answer.text
        return answer.json

    async def make(self, **fields: Any) -> Json:
        """A new key."""
        answer = await self.ask("POST", "/keys", {"project": "shop", **fields})
        assert answer.status == 201, answer.text
        return answer.json
