"""The steps before the answer begins run first, the others while it is read, each list in its declared order."""

import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import CodeType, FrameType

import pytest

from tests.harness import World
from tidegate.pipeline.admit import Admitter
from tidegate.pipeline.pipeline import STEPS, STEPS_WHILE_READ, Pipeline
from tidegate.pipeline.prepare import RequestPreparer
from tidegate.pipeline.remember import RecordedResponse
from tidegate.simulator import running
from tidegate.storage.embedded import StoreUrls

RETURN = "return the response"
CALL = {"model": "gpt-4o-mini", "input": "When is high tide?", "store": True}
NOT_TAKEN = {
    "miss": {"give", "join", "compare"},
    "hit": {"join", "compare", "ask", "queue", "send", "settle"},
}


@pytest.fixture
async def world(clean_stores: StoreUrls, redis_prefix: str, tmp_path: Path) -> AsyncIterator[World]:
    async with running() as upstream_url, World(clean_stores, redis_prefix, upstream_url, tmp_path) as world:
        yield world


@pytest.mark.parametrize("stream", [False, True])
async def test_the_steps_run_in_the_declared_order(world: World, stream: bool) -> None:
    async with world.gateway() as gateway:
        for cache in ("miss", "hit"):
            with _first_calls() as taken:
                answer = await gateway.call("/responses", {**CALL, "stream": stream})
            assert (answer.status, answer.headers["x-tidegate-cache"]) == (200, cache)
            assert taken == [step for step in (*STEPS, RETURN, *STEPS_WHILE_READ) if step not in NOT_TAKEN[cache]]


def _functions() -> Iterator[tuple[str, Callable[..., object]]]:
    yield "prepare", RequestPreparer.prepare
    yield "admit", Admitter.admit
    for step in set(STEPS) - {"prepare", "admit"}:
        yield step, getattr(Pipeline, f"_{step}")
    yield RETURN, RecordedResponse.__init__
    yield from STEPS_WHILE_READ.items()


@contextmanager
def _first_calls() -> Iterator[list[str]]:
    """Collect the steps in the order in which each is first called."""
    steps: dict[CodeType, str] = {function.__code__: step for step, function in _functions()}
    taken: list[str] = []

    def note(frame: FrameType, event: str, _: object) -> None:
        step = steps.get(frame.f_code) if event == "call" else None
        if step is not None and step not in taken:
            taken.append(step)

    sys.setprofile(note)
    try:
        yield taken
    finally:
        sys.setprofile(None)
