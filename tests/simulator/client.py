"""Requests to a simulator, over a socket and without one."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
from openai import AsyncOpenAI

from tidegate.core.clock import Clock
from tidegate.simulator import Options, running
from tidegate.simulator.answers.reply import AnswerIdentity

Json = dict[str, Any]

IDENTITY = AnswerIdentity(digits="0" * 32, now=1_790_000_000.0)
CHAT: Json = {"model": "gpt-4o", "messages": [{"role": "user", "content": "When is high tide?"}]}
STREAM: Json = {**CHAT, "stream": True, "stream_options": {"include_usage": True}}
RESPONSES: Json = {"model": "gpt-4o", "input": "When is high tide?"}
SCHEMA: Json = {
    "type": "object",
    "properties": {"place": {"type": "string"}, "hours": {"type": "array", "items": {"type": "integer"}}},
    "required": ["place", "hours"],
    "additionalProperties": False,
}


class SimulatorClient:
    """A running simulator, and a plain HTTP client for it."""

    def __init__(self, base_url: str, session: aiohttp.ClientSession) -> None:
        self.base_url = base_url
        self.root = base_url.removesuffix("/v1")
        self.session = session

    def sdk(self, **options: Any) -> AsyncOpenAI:
        """Return the official client; close it after use."""
        return AsyncOpenAI(**{"base_url": self.base_url, "api_key": "sk-any", "max_retries": 0, **options})

    def post(self, path: str, body: Any, **headers: str) -> Any:
        """POST to a path below /v1; headers are keywords with underscores."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.session.post(self.base_url + path, json=body, headers=named)

    async def stats(self) -> Json:
        """Return the bill."""
        async with self.session.get(f"{self.root}/simulator/stats") as answer:
            figures: Json = await answer.json()
            return figures


@asynccontextmanager
async def upstream(clock: Clock | None = None, **options: Any) -> AsyncIterator[SimulatorClient]:
    """Run a simulator with these options."""
    key: Mapping[str, str] = {"authorization": "Bearer sk-any"}
    async with running(Options(**options), clock=clock) as base_url, aiohttp.ClientSession(headers=key) as session:
        yield SimulatorClient(base_url, session)
