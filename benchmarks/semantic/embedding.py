"""The vectors of a set's questions, made once by the shipped embedder."""

from collections.abc import Callable

from benchmarks.semantic.streams import QuestionSet
from tidegate.cache.semantic.embedder import load_embedder
from tidegate.cache.semantic.profile import Vector


def embeddings_of(questions: QuestionSet) -> tuple[Callable[[str], Vector], int]:
    """Return what gives a question's vector, of length 1, and the number of its dimensions."""
    embedder = load_embedder()
    vectors = {each.text: embedder.embed(each.text) for each in questions.phrasings}
    return vectors.__getitem__, embedder.dimensions
