"""The shipped embedder works without a network, and places paraphrases nearer than other questions."""

import numpy as np
import pytest

from tidegate.cache.semantic.embedder import StaticEmbedder, load_embedder


@pytest.fixture(scope="module")
def embedder() -> StaticEmbedder:
    return load_embedder()


def test_vectors_have_length_one(embedder: StaticEmbedder) -> None:
    vector = embedder.embed("How do I reset my password?")

    assert vector.shape == (embedder.dimensions,)
    assert float(vector @ vector) == pytest.approx(1.0, abs=1e-5)


def test_a_paraphrase_is_nearer_than_another_question(embedder: StaticEmbedder) -> None:
    asked, same, other = (
        embedder.embed(text)
        for text in ("How do I reset my password?", "I forgot my password, how to reset it", "Where is my parcel?")
    )

    assert float(asked @ same) > float(asked @ other) + 0.3


@pytest.mark.parametrize("text", ["", " ", "🙂", "你好", "\u202eabc", "\x00", "word " * 1000])
def test_any_text_has_a_finite_vector(embedder: StaticEmbedder, text: str) -> None:
    assert np.isfinite(embedder.embed(text)).all()
