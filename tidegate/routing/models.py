"""The models that a caller may name: the routes' own names and the models that the providers list.

The web layer's `/v1/models` reads them here. A listed model can be called: a provider's model is in the list only where
a call that names it would go to that provider. The configuration (`models`) may narrow the list.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import TypeVar

from tidegate.core.clock import Clock
from tidegate.core.config.sections.providers import OPENAI_PROVIDER
from tidegate.core.errors import (
    ConnectionFailed,
    InvalidParameter,
    MalformedAnswer,
    ModelNotAllowed,
    UpstreamError,
    UpstreamTimeout,
)
from tidegate.providers.base import Credential, Json, Provider
from tidegate.providers.target import Target
from tidegate.routing.routes import Routes

_FRESH_SECONDS = 60.0
_RETRY_SECONDS = 5.0
"""After which a list that could not be read is read again."""

_Result = TypeVar("_Result")


class ModelCatalog:
    """Reads the providers' lists of models, which is free."""

    def __init__(
        self, providers: Mapping[str, Provider], routes: Routes, *, allowed: frozenset[str], clock: Clock
    ) -> None:
        """Prepare the catalog; `allowed` narrows it, and an empty one allows all models."""
        self._providers = providers
        self._routes = routes
        self._allowed = allowed
        self._lists = {
            name: _CachedModelList(providers[name], clock)
            for name in routes.pass_through_providers
            if name in providers
        }

    async def list_all(self) -> Json:
        """Return the list object; a provider that fails is listed as last read.

        Raises UpstreamError where a provider fails and no model at all is known.
        """
        models_by_name = {name: _route_object(name) for name in self._routes.names}
        # together: providers that do not answer would otherwise add up their timeouts
        listed = await asyncio.gather(*(self._models_of(provider) for provider in self._lists))
        failure = next((models for models in listed if isinstance(models, UpstreamError)), None)
        for provider, models in zip(self._lists, listed, strict=True):
            if not isinstance(models, UpstreamError):
                models_by_name.update((name, model) for name, model in models.items() if self._leads_to(provider, name))
        if failure and not models_by_name:
            raise failure
        return {"object": "list", "data": [model for name, model in models_by_name.items() if self._is_allowed(name)]}

    async def _models_of(self, provider: str) -> dict[str, Json] | UpstreamError:
        try:
            return await self._lists[provider].models()
        except UpstreamError as error:
            return error

    async def read_one(self, name: str) -> Json:
        """Return a model object. Raises ModelNotAllowed or UpstreamError."""
        provider = self._provider_of(name)
        if provider is None:
            return _route_object(name)
        return await _first_success(provider, partial(provider.read_model, name=name))

    async def delete(self, name: str) -> Json:
        """Delete a fine-tuned model, if its provider allows it. Raises as `read_one` does, and InvalidParameter."""
        provider = self._provider_of(name)
        if provider is None:
            why = f"'{name}' is a route of this gateway: only its configuration can remove it."
            raise InvalidParameter(why, param="model")
        return await _first_success(provider, partial(provider.delete_model, name=name))

    async def probe(self) -> None:
        """Read the list of the first provider that has a key, and ignore it. Raises UpstreamError."""
        with_key = (each for each in self._providers.values() if each.credentials[0].secret is not None)
        provider = next(with_key, self._providers[OPENAI_PROVIDER])
        await _first_success(provider, provider.list_models)

    def _provider_of(self, name: str) -> Provider | None:
        """Return the provider that has the model; None for a route's own name. Raises ModelNotAllowed."""
        if not self._is_allowed(name):
            raise ModelNotAllowed(f"The model '{name}' does not exist", param="model")
        provider = next((each for each in self._lists if self._leads_to(each, name)), None)
        return None if provider is None or name in self._routes.names else self._providers[provider]

    def _leads_to(self, provider: str, model: str) -> bool:
        return self._routes.may_reach(model, Target(provider, model).name)

    def _is_allowed(self, name: str) -> bool:
        return not self._allowed or name in self._allowed


class _CachedModelList:
    """One provider's list, cached for a minute."""

    def __init__(self, provider: Provider, clock: Clock) -> None:
        self._provider = provider
        self._clock = clock
        self._lock = asyncio.Lock()
        self._models: dict[str, Json] | None = None
        self._expires_at = 0.0

    async def models(self) -> dict[str, Json]:
        """Return the models by name. Raises UpstreamError where none were ever read."""
        async with self._lock:
            if self._models is None or self._clock.monotonic() > self._expires_at:
                try:
                    self._models = _by_name(await _first_success(self._provider, self._provider.list_models))
                    self._expires_at = self._clock.monotonic() + _FRESH_SECONDS
                except UpstreamError:
                    if self._models is None:
                        raise
                    self._expires_at = self._clock.monotonic() + _RETRY_SECONDS
            return self._models


async def _first_success(provider: Provider, send: Callable[[Credential], Awaitable[_Result]]) -> _Result:
    """Return what the first working credential reads. Raises UpstreamError.

    A provider that cannot be reached is not tried with another credential.
    """
    failure: UpstreamError | None = None
    for credential in provider.credentials:
        try:
            return await send(credential)
        except (ConnectionFailed, UpstreamTimeout):
            raise
        except UpstreamError as error:
            failure = error
    raise failure or MalformedAnswer


def _by_name(models: list[Json]) -> dict[str, Json]:
    return {model["id"]: model for model in models if isinstance(model.get("id"), str)}


def _route_object(name: str) -> Json:
    return {"id": name, "object": "model", "created": 0, "owned_by": "tidegate"}
