"""The models a caller may name: the routes' own names and what the providers list, narrowed by the configuration.

What is listed can be called: a provider's model is there where a call that names it would go to that provider.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any

import msgspec

from tidegate.core.clock import Clock
from tidegate.core.errors import InvalidParameter, MalformedAnswer, ModelNotAllowed, UpstreamError
from tidegate.providers.base import Credential
from tidegate.providers.errors import classify
from tidegate.providers.openai import PROVIDER, OpenAIProvider
from tidegate.providers.target import Target
from tidegate.providers.transport import Exchange
from tidegate.routing.routes import Routes

_FRESH_SECONDS = 60.0
_RETRY_SECONDS = 5.0
"""After which a provider whose list could not be read is asked again."""
_decode = msgspec.json.Decoder(dict[str, Any])

Json = dict[str, Any]


class ModelCatalog:
    """Reads the providers' `GET /models`, which is free."""

    def __init__(
        self, providers: Mapping[str, OpenAIProvider], routes: Routes, *, allowed: frozenset[str], clock: Clock
    ) -> None:
        """`allowed` narrows the list; empty allows all."""
        self._providers = providers
        self._routes = routes
        self._allowed = allowed
        self._clock = clock
        self._lists = {
            name: _CachedModelList(providers[name], clock)
            for name in routes.pass_through_providers
            if name in providers
        }

    async def list_all(self) -> Json:
        """The list object; while a provider fails, its last one known. Raises UpstreamError where nothing is known."""
        found = {name: _route_object(name) for name in self._routes.names}
        failed: UpstreamError | None = None
        for provider, listed in self._lists.items():
            try:
                models = await listed.models()
            except UpstreamError as error:
                failed = failed or error
                continue
            found.update((name, model) for name, model in models.items() if self._leads_to(provider, name))
        if failed and not found:
            raise failed
        return {"object": "list", "data": [model for name, model in found.items() if self._is_allowed(name)]}

    async def read_one(self, name: str) -> Json:
        """A model object. Raises UnknownModel or UpstreamError."""
        holder = self._holder(name)
        return _route_object(name) if holder is None else await _read(holder, self._clock, name)

    async def delete(self, name: str) -> Json:
        """Delete a fine-tuned model; its provider says whether it may be. Raises as `one`, and InvalidParameter."""
        holder = self._holder(name)
        if holder is None:
            why = f"'{name}' is a route of this gateway: only its configuration can remove it."
            raise InvalidParameter(why, param="model")
        return await _first_success(holder, partial(holder.delete_model, name=name), self._clock)

    async def probe(self) -> None:
        """Ask for a list and forget it. Raises UpstreamError."""
        able = (each for each in self._providers.values() if each.credentials[0].secret is not None)
        await _read(next(able, self._providers[PROVIDER]), self._clock)

    def _holder(self, name: str) -> OpenAIProvider | None:
        """The provider that has the model; None for a route's own name. Raises UnknownModel."""
        if not self._is_allowed(name):
            raise ModelNotAllowed(f"The model '{name}' does not exist", param="model")
        provider = next((each for each in self._lists if self._leads_to(each, name)), None)
        return None if provider is None or name in self._routes.names else self._providers[provider]

    def _leads_to(self, provider: str, model: str) -> bool:
        there = Target(provider, model).name
        return any(target.name == there for target in self._routes.plan(model, draw=float).targets)

    def _is_allowed(self, name: str) -> bool:
        return not self._allowed or name in self._allowed


class _CachedModelList:
    """One provider's list, kept for a moment."""

    def __init__(self, provider: OpenAIProvider, clock: Clock) -> None:
        self._provider = provider
        self._clock = clock
        self._lock = asyncio.Lock()
        self._models: dict[str, Json] | None = None
        self._expires_at = 0.0

    async def models(self) -> dict[str, Json]:
        """The models by name. Raises UpstreamError where none were ever read."""
        async with self._lock:
            if self._models is None or self._clock.monotonic() > self._expires_at:
                try:
                    self._models = _by_name(await _read(self._provider, self._clock))
                    self._expires_at = self._clock.monotonic() + _FRESH_SECONDS
                except UpstreamError:
                    if self._models is None:
                        raise
                    self._expires_at = self._clock.monotonic() + _RETRY_SECONDS
            return self._models


async def _read(provider: OpenAIProvider, clock: Clock, name: str = "") -> Json:
    return await _first_success(provider, partial(provider.list_models, name=name), clock)


async def _first_success(
    provider: OpenAIProvider, ask: Callable[[Credential], Awaitable[Exchange]], clock: Clock
) -> Json:
    """With the first credential that will do. Raises UpstreamError."""
    failed: UpstreamError | None = None
    for credential in provider.credentials:
        exchange = await ask(credential)
        try:
            body = await exchange.read_all()
        finally:
            exchange.close()
        if exchange.status == 200:
            return _decoded(body)
        failed = classify(exchange.status, exchange.headers, body, now=clock.now())
    raise failed or MalformedAnswer


def _decoded(body: bytes) -> Json:
    try:
        return _decode.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise MalformedAnswer from error


def _by_name(listed: Json) -> dict[str, Json]:
    data = listed.get("data")
    models = data if isinstance(data, list) else []
    return {model["id"]: model for model in models if isinstance(model, dict) and isinstance(model.get("id"), str)}


def _route_object(name: str) -> Json:
    return {"id": name, "object": "model", "created": 0, "owned_by": "tidegate"}
