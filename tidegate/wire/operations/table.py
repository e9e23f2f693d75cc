"""Finds the operation of a method and path. The table holds what passes through: inference has its own pipeline."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from tidegate.wire.operations.files import BATCHES, FILES, UPLOADS
from tidegate.wire.operations.media import AUDIO, IMAGES, VIDEOS
from tidegate.wire.operations.operation import AnswerContent, BodyKind, ChargeBasis, MatchedOperation, Operation
from tidegate.wire.operations.realtime import CLIENT_SECRETS
from tidegate.wire.operations.refused import refusal_of
from tidegate.wire.operations.stores import CONTAINERS, SKILLS, VECTOR_STORES
from tidegate.wire.operations.training import COMPLETIONS, EVALS, FINE_TUNING, PROVENANCE

ALL: tuple[Operation, ...] = (
    *COMPLETIONS,
    *IMAGES,
    *AUDIO,
    *VIDEOS,
    *FILES,
    *UPLOADS,
    *BATCHES,
    *VECTOR_STORES,
    *CONTAINERS,
    *SKILLS,
    *FINE_TUNING,
    *EVALS,
    *PROVENANCE,
    *CLIENT_SECRETS,
)
BY_LABEL: Mapping[str, Operation] = {operation.label: operation for operation in ALL}

UNKNOWN_LABEL = "unknown"
"""The label of an operation that is in no table."""
_SERVED_ELSEWHERE = frozenset(
    {"v1", "chat", "responses", "conversations", "models", "embeddings", "moderations", "realtime"}
)
"""The first segments of paths that are no operations of the table; `v1` is a base URL with one too many."""
_PARAMETER = ""
"""Stands in the tree for any segment: no segment of a path that is matched is empty."""
_SAFE_SEGMENT = re.compile(r"[A-Za-z0-9_:~@=+-][A-Za-z0-9._:~@=+-]{0,255}")
"""What an id may consist of. It begins with no dot, so that it leads to no other path."""


def find(method: str, path: str) -> MatchedOperation | None:
    """Return the operation of a decoded path, with its parameters; None where the table has none."""
    found = _leaf(path)
    if found is None:
        return None
    by_method, values = found
    if (operation := by_method.get(method)) is None:
        return None
    names = (segment[1:-1] for segment in operation.path.split("/") if segment.startswith("{"))
    return MatchedOperation(operation, dict(zip(names, values, strict=True)))


def methods_of(path: str) -> tuple[str, ...]:
    """Return the methods that a decoded path has in the table, sorted."""
    found = _leaf(path)
    return tuple(sorted(found[0])) if found else ()


def unknown(method: str, path: str, raw_path: bytes) -> MatchedOperation | None:
    """Return an operation for a path that is in no table, as it came; None where it is not one of OpenAI's.

    `path` is the decoded one. One that another part of this gateway serves, or that could lead elsewhere, is none.
    """
    segments = path.removeprefix("/v1/").split("/")
    if not path.startswith("/v1/") or segments[0] in _SERVED_ELSEWHERE or methods_of(path):
        return None
    if refusal_of(path) is not None or not all(_SAFE_SEGMENT.fullmatch(segment) for segment in segments):
        return None
    operation = Operation(
        label=UNKNOWN_LABEL,
        method=method,
        path=raw_path.decode("ascii", "replace"),
        body=BodyKind.BYTES,
        answer=AnswerContent.BYTES,
        charge=ChargeBasis.UNKNOWN,
    )
    return MatchedOperation(operation, {})


def _leaf(path: str) -> tuple[Mapping[str, Operation], list[str]] | None:
    node: Any = _TREE
    values: list[str] = []
    for segment in path.removeprefix("/").split("/"):
        below = node.get(segment) if segment else None
        if below is None:
            if (below := node.get(_PARAMETER)) is None or not _SAFE_SEGMENT.fullmatch(segment):
                return None
            values.append(segment)
        node = below
    by_method: Mapping[str, Operation] | None = node.get(None)
    return None if by_method is None else (by_method, values)


def _tree(operations: Iterable[Operation]) -> dict[str | None, Any]:
    """Return nested tables by segment; under None those of the methods of the path that ends there."""
    tree: dict[str | None, Any] = {}
    for operation in operations:
        node = tree
        for segment in operation.path.removeprefix("/").split("/"):
            node = node.setdefault(_PARAMETER if segment.startswith("{") else segment, {})
        node.setdefault(None, {})[operation.method] = operation
    return tree


_TREE = _tree(ALL)
