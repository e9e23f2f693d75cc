"""The embedder is waited for shortly, and left alone for a while once it was slow or broken."""

import threading

import numpy as np
import pytest

from tidegate.cache.semantic.profile import Vector
from tidegate.pipeline.semantic.tier import TimedEmbedder

VECTOR = np.ones(3, dtype=np.float32)


class Embedder:
    """An embedder that may be slow or broken."""

    def __init__(self) -> None:
        self.calls = 0
        self.blocked: threading.Event | None = None
        self.is_broken = False
        self.now = 0.0
        self.timed = TimedEmbedder(self._embed, seconds=0.05, monotonic=lambda: self.now)

    def _embed(self, _: str) -> Vector:
        self.calls += 1
        if self.is_broken:
            raise ValueError
        if self.blocked is not None:
            self.blocked.wait()
        return VECTOR


@pytest.mark.parametrize("fault", ["slow", "broken"])
async def test_an_embedder_that_fails_is_left_alone_for_a_while(fault: str) -> None:
    embedder = Embedder()
    assert await embedder.timed.vector("a question") is VECTOR
    embedder.is_broken = fault == "broken"
    embedder.blocked = threading.Event() if fault == "slow" else None
    assert await embedder.timed.vector("a question") is None
    if embedder.blocked is not None:
        embedder.blocked.set()
    embedder.is_broken = False
    assert (await embedder.timed.vector("a question"), embedder.calls) == (None, 2)
    embedder.now = 31.0
    embedder.blocked = None
    found = await embedder.timed.vector("a question")
    assert found is VECTOR
    await embedder.timed.close()
