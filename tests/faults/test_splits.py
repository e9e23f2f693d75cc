"""Wherever the network splits an answer, the caller gets the same answer."""

from collections.abc import AsyncIterator
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.faults import scripts, speech
from tests.faults.upstream import ReceivedRequest, Script, ScriptedUpstream, running_upstream
from tests.harness import Gateway, Json, World
from tidegate.core import endpoints
from tidegate.core.endpoints import Endpoint
from tidegate.storage.embedded import StoreUrls

LONGEST = 2000
"""Bytes; longer than any answer."""


class Cuts:
    """The positions at which the next answer is split."""

    def __init__(self) -> None:
        self.at: list[int] = []

    def play(self, request: ReceivedRequest) -> Script:
        """Return the good answer in these pieces."""
        head, *rest = [step for step in scripts.good(request) if isinstance(step, bytes)]
        body = b"".join(rest)
        edges = [0, *sorted({cut for cut in self.at if cut < len(body)}), len(body)]
        return [head, *(body[start:end] for start, end in pairwise(edges) if start < end)]


@pytest.fixture(scope="module")
def cuts() -> Cuts:
    return Cuts()


@pytest.fixture(scope="module")
async def upstream(cuts: Cuts) -> AsyncIterator[ScriptedUpstream]:
    async with running_upstream(cuts.play) as upstream:
        yield upstream


@pytest.fixture(scope="module")
async def gateway(
    upstream: ScriptedUpstream,
    database_url: str,
    redis_url: str,
    redis_prefix: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[Gateway]:
    stores = StoreUrls(database_url=database_url, redis_url=redis_url)
    folder: Path = tmp_path_factory.mktemp("splits")
    async with (
        World(stores, f"{redis_prefix}-splits", f"{upstream.root}/first/v1", folder) as world,
        world.gateway(cache={"enabled": False}) as gateway,
    ):
        yield gateway


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(at=st.lists(st.integers(1, LONGEST), max_size=60), route=st.sampled_from([endpoints.CHAT, endpoints.RESPONSES]))
async def test_the_stream_is_whole(gateway: Gateway, cuts: Cuts, at: list[int], route: Endpoint) -> None:
    cuts.at = at
    answer = await gateway.call(speech.PATHS[route], speech.request(route, "split", stream=True))
    assert answer.status == 200
    said = [event for event in answer.events if event.get("type", "response.output_text.delta").endswith("text.delta")]
    words = [word_of(event) for event in said]
    assert "".join(words) == "".join(speech.WORDS)


def word_of(event: Json) -> str:
    """Return the text of an event of either API."""
    if "delta" in event:
        return str(event["delta"])
    return "".join(choice["delta"].get("content") or "" for choice in event.get("choices", ()))
