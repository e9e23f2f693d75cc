"""A client for the admin API behind a real socket; only the queue is replaced."""

from typing import Any

import aiohttp
import msgspec

from tests.harness import Answer, Json
from tidegate.auth.key_store import KeyStore
from tidegate.queue.store import LaneSnapshot, WaitingEntry

NO_LIMITS = dict.fromkeys(("rpm", "rpd", "tpm", "concurrency", "budget_day_usd", "budget_week_usd", "budget_month_usd"))


class SingleLaneQueue:
    """A queue with one waiting request."""

    async def snapshot(self, now: float, *, limit: int) -> tuple[LaneSnapshot, ...]:
        assert (now > 0, limit > 0) == (True, True)
        waiting = WaitingEntry(request="req_1", process="p1", flow="shop", weight=16, tokens=9, waited=2.0, left=3.0)
        return (
            LaneSnapshot(name="main/m", rpm=60, tpm=0, waiting=1, unanswered=4, held_for=0.0, first_entries=(waiting,)),
        )


class ApiClient:
    """Sends requests to the admin API with an admin key."""

    def __init__(self, root: str, key: str, http: aiohttp.ClientSession, keys: KeyStore) -> None:
        self.root = root
        self.keys = keys
        self._key = key
        self._http = http

    async def send(self, method: str, path: str, body: Json | bytes | None = None, key: str | None = None) -> Answer:
        """Send a request below `/admin/v1`, with the admin key or another."""
        headers = {"authorization": f"Bearer {key or self._key}", "content-type": "application/json"}
        data = body if isinstance(body, bytes) or body is None else msgspec.json.encode(body)
        async with self._http.request(method, f"{self.root}/admin/v1{path}", data=data, headers=headers) as response:
            return Answer(response.status, response.headers, await response.text())

    async def get(self, path: str) -> Json:
        """Return the body of a GET."""
        answer = await self.send("GET", path)
        assert answer.status == 200, answer.text
        return answer.json

    async def create_key(self, **fields: Any) -> Json:
        """Create a key."""
        answer = await self.send("POST", "/keys", {"project": "shop", **fields})
        assert answer.status == 201, answer.text
        return answer.json
