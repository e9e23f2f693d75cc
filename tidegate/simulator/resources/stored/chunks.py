"""Texts of files in chunks, searched by their meaning as far as shared words say it. Pure."""

from collections.abc import Mapping
from operator import mul
from typing import Any

import msgspec

from tidegate.simulator.answers.embeddings import vector
from tidegate.simulator.answers.reply import Json
from tidegate.simulator.checks import refusals

_CHARACTERS_PER_TOKEN = 4
_CHUNK_TOKENS, _OVERLAP_TOKENS = 800, 400
"""The size of chunks that OpenAI chooses itself."""
_DIMENSIONS = 256
_MOST_CHUNKS = 200
"""Further chunks of a file are not found."""
_MOST_DEPTH = 8
_COMPARISONS = ("eq", "ne", "gt", "gte", "lt", "lte", "in", "nin")


class IndexedChunk(msgspec.Struct, frozen=True, kw_only=True):
    """A chunk of a file with its vector."""

    text: str
    vector: list[float]


def index(content: bytes | memoryview, strategy: Json) -> list[IndexedChunk]:
    """Return the chunks of a file. Raises UnicodeDecodeError for one that is no text."""
    text = bytes(content).decode()
    static = strategy.get("static") or {}
    size = static.get("max_chunk_size_tokens", _CHUNK_TOKENS) * _CHARACTERS_PER_TOKEN
    step = max(1, size - static.get("chunk_overlap_tokens", _OVERLAP_TOKENS) * _CHARACTERS_PER_TOKEN)
    starts = range(0, max(1, len(text)), step)[:_MOST_CHUNKS]
    pieces = [text[start : start + size] for start in starts if start == 0 or start + size - step < len(text)]
    return [IndexedChunk(text=piece, vector=vector(piece, _DIMENSIONS)) for piece in pieces]


def scores(query: str, chunks: list[IndexedChunk]) -> list[float]:
    """Return how close each chunk is to the query, from 0 to 1."""
    wanted = vector(query, _DIMENSIONS)
    return [round(min(1.0, max(0.0, sum(map(mul, wanted, chunk.vector)))), 6) for chunk in chunks]


def matches(attributes: Mapping[str, Any], wanted: Any, depth: int = 0) -> bool:
    """Return whether a file's attributes fit a filter. Raises Refusal for a filter that is none."""
    if not isinstance(wanted, dict) or depth > _MOST_DEPTH:
        raise refusals.wrong_type("filters", "an object", wanted)
    kind = wanted.get("type")
    if kind in ("and", "or"):
        inner = [matches(attributes, one, depth + 1) for one in wanted.get("filters") or ()]
        return all(inner) if kind == "and" else any(inner)
    if kind not in _COMPARISONS:
        raise refusals.wrong_value("filters.type", kind, (*_COMPARISONS, "and", "or"))
    for name in ("key", "value"):
        if name not in wanted:
            raise refusals.missing(f"filters.{name}")
    return _compare(kind, attributes.get(wanted["key"]), wanted["value"])


def _compare(kind: str, own: Any, value: Any) -> bool:
    if kind in ("in", "nin"):
        return (isinstance(value, list) and own in value) == (kind == "in")
    if kind in ("eq", "ne"):
        return bool(own == value) == (kind == "eq")
    if not isinstance(own, int | float) or not isinstance(value, int | float):
        return False
    return {"gt": own > value, "gte": own >= value, "lt": own < value, "lte": own <= value}[kind]
