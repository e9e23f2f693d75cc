"""The list of models is the upstream's, kept for a moment, and outlives an upstream that fails."""

import contextlib
from collections.abc import AsyncIterator

import pytest

from tests.upstream.servers import OK, saying, serving
from tidegate.core.clock import ManualClock
from tidegate.core.config import UpstreamConfig
from tidegate.core.errors import MalformedAnswer, ModelNotFound, ServerFailure, UnknownModel
from tidegate.simulator import Options, running
from tidegate.upstream.models import Models
from tidegate.upstream.openai import OpenAI
from tidegate.upstream.transport import Transport


@contextlib.asynccontextmanager
async def models_at(base_url: str, clock: ManualClock, *allowed: str) -> AsyncIterator[Models]:
    config = UpstreamConfig(base_url=base_url, api_key="sk-any")
    async with Transport(config) as transport:
        yield Models(OpenAI(config, transport), allowed=frozenset(allowed), clock=clock)


def names(listed: dict[str, object]) -> list[str]:
    data = listed["data"]
    assert isinstance(data, list)
    return [model["id"] for model in data]


async def test_the_list_is_the_upstreams(clock: ManualClock) -> None:
    async with running() as base_url, models_at(base_url, clock) as models:
        listed = await models.all()
        assert listed["object"] == "list"
        assert len(names(listed)) > 3
        assert (await models.one("gpt-4o"))["id"] == "gpt-4o"
        with pytest.raises(ModelNotFound):
            await models.one("gpt-none")


async def test_a_configured_list_narrows_it(clock: ManualClock) -> None:
    async with running() as base_url, models_at(base_url, clock, "gpt-4o", "unknown") as models:
        assert names(await models.all()) == ["gpt-4o"]
        with pytest.raises(UnknownModel):
            await models.one("gpt-4o-mini")


async def test_it_is_read_once_a_minute(clock: ManualClock) -> None:
    answer = OK.replace(b": 2\r\n\r\n{}", b": 24\r\n\r\n" + b'{"object":"","data":[ ]}')
    async with serving(saying(answer), keep_alive=True) as server, models_at(server.address, clock) as models:
        for seconds, reads in ((0, 1), (59, 1), (2, 2)):
            clock.advance(seconds)
            await models.all()
            assert len(server.requests) == reads


async def test_the_last_one_known_outlives_a_failing_upstream(clock: ManualClock) -> None:
    answers = iter([OK.replace(b": 2\r\n\r\n{}", b": 11\r\n\r\n" + b'{"data":[]}')])

    async def once(_: object, writer: object) -> None:
        writer.write(next(answers, b"HTTP/1.1 500 No\r\ncontent-length: 0\r\n\r\n"))  # type: ignore[attr-defined]

    async with serving(once, keep_alive=True) as server, models_at(server.address, clock) as models:
        known = await models.all()
        clock.advance(61)
        assert await models.all() == known
        with pytest.raises(ServerFailure):
            await models.probe()


async def test_without_one_the_failure_is_told(clock: ManualClock) -> None:
    async with running(Options(faults={"server_error": 1.0})) as base_url, models_at(base_url, clock) as models:
        with pytest.raises(ServerFailure):
            await models.all()


@pytest.mark.parametrize("body", [b"[]", b"no", b"\xff\xff"])
async def test_an_answer_that_is_no_list(clock: ManualClock, body: bytes) -> None:
    answer = b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%s" % (len(body), body)
    async with serving(saying(answer)) as server, models_at(server.address, clock) as models:
        with pytest.raises(MalformedAnswer):
            await models.all()
