"""The list of models has what can be called: routes' names, and the providers' own lists, kept for a moment."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.eventually import PATIENCE_SECONDS
from tests.providers.servers import OK, sending_parts, serve
from tests.providers.targets import config_of, providers
from tidegate.core.clock import ManualClock
from tidegate.core.config import ProviderConfig, RouteConfig
from tidegate.core.errors import (
    ConnectionFailed,
    InvalidParameter,
    MalformedAnswer,
    ModelNotAllowed,
    ModelNotFound,
    UpstreamForbidden,
    UpstreamServerError,
)
from tidegate.routing.models import ModelCatalog
from tidegate.routing.routes import Routes
from tidegate.simulator import Options, running


@contextlib.asynccontextmanager
async def models_at(
    base_url: str,
    clock: ManualClock,
    *allowed: str,
    routes: dict[str, list[dict[str, str]]] | None = None,
    **others: ProviderConfig,
) -> AsyncIterator[ModelCatalog]:
    async with providers(clock, openai=config_of(base_url), **others) as made:
        named = {name: RouteConfig.model_validate({"targets": targets}) for name, targets in (routes or {}).items()}
        yield ModelCatalog(made, Routes(named, stale_seconds=0), allowed=frozenset(allowed), clock=clock)


def names(listed: dict[str, Any]) -> list[str]:
    return [model["id"] for model in listed["data"]]


async def test_the_list_is_the_upstreams(clock: ManualClock) -> None:
    async with running() as base_url, models_at(base_url, clock) as models:
        listed = await models.list_all()
        assert listed["object"] == "list"
        assert len(names(listed)) > 3
        assert (await models.read_one("gpt-4o"))["id"] == "gpt-4o"
        with pytest.raises(ModelNotFound):
            await models.read_one("gpt-none")


async def test_a_configured_list_narrows_it(clock: ManualClock) -> None:
    async with running() as base_url, models_at(base_url, clock, "gpt-4o", "unknown") as models:
        assert names(await models.list_all()) == ["gpt-4o"]
        with pytest.raises(ModelNotAllowed):
            await models.read_one("gpt-4o-mini")


async def test_a_model_is_deleted_where_it_is(clock: ManualClock) -> None:
    """Its provider says whether it may be; a route is no provider's model."""
    routes = {"smart": [{"provider": "openai", "model": "gpt-4o"}]}
    async with running() as base_url, models_at(base_url, clock, routes=routes) as models:
        tuned = "ft:gpt-4o-mini:shop::abc"
        assert await models.delete(tuned) == {"id": tuned, "object": "model", "deleted": True}
        with pytest.raises(UpstreamForbidden):
            await models.delete("gpt-4o")
        with pytest.raises(InvalidParameter, match="only its configuration"):
            await models.delete("smart")
    async with running() as base_url, models_at(base_url, clock, "gpt-4o") as models:
        with pytest.raises(ModelNotAllowed):
            await models.delete(tuned)


async def test_routes_are_models_too(clock: ManualClock) -> None:
    routes = {"smart": [{"provider": "openai", "model": "gpt-4o"}], "gpt-4.1": [{"provider": "openai"}]}
    async with running() as base_url, models_at(base_url, clock, routes=routes) as models:
        listed = names(await models.list_all())
        assert {"smart", "gpt-4.1", "gpt-4o"} <= set(listed)
        assert len(set(listed)) == len(listed)
        assert await models.read_one("smart") == {
            "id": "smart",
            "object": "model",
            "created": 0,
            "owned_by": "tidegate",
        }


async def test_what_is_listed_leads_to_who_listed_it(clock: ManualClock) -> None:
    """Another provider's models are there where a route sends their names to it; OpenAI's then are not."""
    routes = {"o*": [{"provider": "own"}], "gpt-4o": [{"provider": "own", "model": "llama"}]}
    async with running() as base_url, running() as other:
        own = config_of(other, kind="openai_compatible")
        async with models_at(base_url, clock, routes=routes, own=own) as models:
            listed = names(await models.list_all())
            assert {"o3", "gpt-4.1", "gpt-4o"} <= set(listed)
            assert (await models.read_one("o3"))["id"] == "o3"
            assert (await models.read_one("gpt-4o"))["owned_by"] == "tidegate"


async def test_a_provider_that_fails_hides_no_other(clock: ManualClock) -> None:
    routes = {"own-*": [{"provider": "own"}]}
    own = config_of("http://127.0.0.1:9", kind="openai_compatible")
    async with running() as base_url, models_at(base_url, clock, routes=routes, own=own) as models:
        assert "gpt-4o" in names(await models.list_all())
    async with models_at("http://127.0.0.1:9", clock, routes={"smart": [{"provider": "openai"}]}) as models:
        assert names(await models.list_all()) == ["smart"]


async def test_all_providers_are_asked_at_once(clock: ManualClock) -> None:
    """Each answers only when the other was asked, too; one after the other would wait for ever."""
    both_asked = asyncio.Barrier(2)

    async def answer(_: object, writer: Any) -> None:
        await both_asked.wait()
        writer.write(OK.replace(b": 2\r\n\r\n{}", b": 11\r\n\r\n" + b'{"data":[]}'))

    routes = {"own-*": [{"provider": "own"}]}
    async with serve(answer) as one, serve(answer) as other:
        own = config_of(other.address, kind="openai_compatible")
        async with models_at(one.address, clock, routes=routes, own=own) as models, asyncio.timeout(PATIENCE_SECONDS):
            assert names(await models.list_all()) == []


async def test_the_next_credential_reads_what_the_first_may_not(clock: ManualClock) -> None:
    faults = {"-bad": {"invalid_key": 1.0}}
    credentials = [{"name": "a", "api_key": "sk-bad"}, {"name": "b", "api_key": "sk-good"}]
    async with running(Options(faults_by_key=faults)) as base_url:
        config = config_of(base_url, credentials=credentials)
        async with providers(clock, openai=config) as made:
            models = ModelCatalog(made, Routes({}, stale_seconds=0), allowed=frozenset(), clock=clock)
            assert "gpt-4o" in names(await models.list_all())


async def test_it_is_read_once_a_minute(clock: ManualClock) -> None:
    answer = OK.replace(b": 2\r\n\r\n{}", b": 24\r\n\r\n" + b'{"object":"","data":[ ]}')
    async with serve(sending_parts(answer), keep_alive=True) as server, models_at(server.address, clock) as models:
        for seconds, reads in ((0, 1), (59, 1), (2, 2)):
            clock.advance(seconds)
            await models.list_all()
            assert len(server.requests) == reads


async def test_the_last_one_known_outlives_a_failing_upstream(clock: ManualClock) -> None:
    answers = iter([OK.replace(b": 2\r\n\r\n{}", b": 11\r\n\r\n" + b'{"data":[]}')])

    async def once(_: object, writer: Any) -> None:
        writer.write(next(answers, b"HTTP/1.1 500 No\r\ncontent-length: 0\r\n\r\n"))

    async with serve(once, keep_alive=True) as server, models_at(server.address, clock) as models:
        known = await models.list_all()
        for seconds, reads in ((61, 2), (4, 2), (2, 3)):
            clock.advance(seconds)
            assert await models.list_all() == known
            assert len(server.requests) == reads
        with pytest.raises(UpstreamServerError):
            await models.probe()


async def test_without_one_the_failure_is_told(clock: ManualClock) -> None:
    async with running(Options(faults={"server_error": 1.0})) as base_url, models_at(base_url, clock) as models:
        with pytest.raises(UpstreamServerError):
            await models.list_all()
    async with models_at("http://127.0.0.1:9", clock) as models:
        with pytest.raises(ConnectionFailed):
            await models.list_all()


@pytest.mark.parametrize("body", [b"[]", b"no", b"\xff\xff"])
async def test_an_answer_that_is_no_list(clock: ManualClock, body: bytes) -> None:
    answer = b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%s" % (len(body), body)
    async with serve(sending_parts(answer)) as server, models_at(server.address, clock) as models:
        with pytest.raises(MalformedAnswer):
            await models.list_all()
