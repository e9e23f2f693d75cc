"""The block finds exactly the nearest phrasings, through any sequence of additions and removals."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tidegate.cache.semantic.index import VectorBlock
from tidegate.cache.semantic.profile import Vector

_KEYS = st.sampled_from([f"k{number}" for number in range(90)])


def _vector(key: str) -> Vector:
    vector = np.random.default_rng(int(key[1:])).standard_normal(8).astype(np.float32)
    length = np.float32(np.sqrt(vector @ vector))
    unit: Vector = vector / length
    return unit


@given(st.lists(st.tuples(st.booleans(), _KEYS), max_size=200))
def test_the_nearest_are_those_of_a_plain_search(steps: list[tuple[bool, str]]) -> None:
    block, plain = VectorBlock(8), {}
    for adds, key in steps:
        if adds:
            block.set(key, _vector(key))
            plain[key] = _vector(key)
        else:
            block.remove(key)
            plain.pop(key, None)
    asked = _vector("k1000")
    expected = sorted((float(vector @ asked) for vector in plain.values()), reverse=True)[:5]

    found = block.nearest(asked, 5)

    assert len(block) == len(plain)
    assert np.allclose([cosine for _, cosine in found], expected, atol=1e-6)
    assert all(np.array_equal(block.vector(key), plain[key]) for key, _ in found)


def test_an_empty_block_finds_nothing() -> None:
    assert VectorBlock(8).nearest(_vector("k1"), 5) == []
