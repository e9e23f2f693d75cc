"""The models a caller may name: the upstream's own list, kept for a moment, narrowed by the configuration."""

import asyncio
from typing import Any
from urllib.parse import quote

import msgspec

from tidegate.core.clock import Clock
from tidegate.core.errors import MalformedAnswer, UnknownModel, UpstreamError
from tidegate.upstream.classify import classify
from tidegate.upstream.openai import OpenAI

_FRESH_SECONDS = 60.0
_decode = msgspec.json.Decoder(dict[str, Any])


class Models:
    """Reads `GET /v1/models`, which is free."""

    def __init__(self, upstream: OpenAI, *, allowed: frozenset[str], clock: Clock) -> None:
        """`allowed` narrows the list; empty allows all."""
        self._upstream = upstream
        self._allowed = allowed
        self._clock = clock
        self._reading = asyncio.Lock()
        self._list: dict[str, Any] | None = None
        self._read_at = 0.0

    async def all(self) -> dict[str, Any]:
        """The list object; while the upstream fails, the last one known. Raises UpstreamError."""
        async with self._reading:
            if self._list is None or self._clock.monotonic() - self._read_at > _FRESH_SECONDS:
                try:
                    self._list = self._narrowed(await self._get("/models"))
                    self._read_at = self._clock.monotonic()
                except UpstreamError:
                    if self._list is None:
                        raise
            return self._list

    async def one(self, name: str) -> dict[str, Any]:
        """A model object. Raises UnknownModel or UpstreamError."""
        if self._allowed and name not in self._allowed:
            raise UnknownModel(f"The model '{name}' does not exist", param="model")
        return await self._get(f"/models/{quote(name, safe='')}")

    async def probe(self) -> None:
        """Ask for the list and forget it. Raises UpstreamError."""
        await self._get("/models")

    async def _get(self, path: str) -> dict[str, Any]:
        exchange = await self._upstream.get(path)
        try:
            body = await exchange.whole()
        finally:
            exchange.close()
        if exchange.status != 200:
            raise classify(exchange.status, exchange.headers, body, now=self._clock.now())
        try:
            return _decode.decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise MalformedAnswer from error

    def _narrowed(self, listed: dict[str, Any]) -> dict[str, Any]:
        data = listed.get("data")
        if not self._allowed or not isinstance(data, list):
            return listed
        return {
            **listed,
            "data": [model for model in data if isinstance(model, dict) and model.get("id") in self._allowed],
        }
