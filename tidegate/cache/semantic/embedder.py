"""Turns questions into vectors by averaging the vectors of their word pieces: 0.1 ms, no download, no model server."""

from pathlib import Path
from typing import Any

import numpy as np

from tidegate.cache.semantic.profile import Vector


class EmbedderUnavailable(Exception):
    """The embedder's library, or the weights inside its wheel, are not there."""


class StaticEmbedder:
    """The embedder of the wheel `wordllama` (MIT), which carries its weights."""

    def __init__(self, model: Any) -> None:
        """`model` is the library's; see `load_embedder`."""
        self._model = model
        self.dimensions = int(model.embedding.shape[1])
        """The length of its vectors."""

    def embed(self, text: str) -> Vector:
        """Return the vector of a text, of length 1; of an empty text all zero."""
        if not text.strip():
            return np.zeros(self.dimensions, dtype=np.float32)
        return np.asarray(self._model.embed(text, norm=True)[0], dtype=np.float32)


def load_embedder() -> StaticEmbedder:
    """Load the weights, in about 0.2 s. Raises EmbedderUnavailable."""
    try:
        import wordllama  # noqa: PLC0415  # an optional extra

        # the library looks for its tokenizer in a folder of another name, unless it is told where it is
        folder = Path(wordllama.__file__).parent
        return StaticEmbedder(wordllama.WordLlama.load(cache_dir=folder, disable_download=True))
    except (ImportError, OSError, ValueError) as error:
        raise EmbedderUnavailable(
            f"The embedder was not loaded: {error}. Questions are compared word for word only. "
            "Install `tidegate[semantic]`."
        ) from error
