"""Reads the input file of a batch: each line is a request that the upstream will run later, under no key's rules. Pure.

So each line is checked before the batch is made. Keys that stand twice are all looked at.
"""

import json
from collections.abc import Iterator, Sequence

import msgspec

from tidegate.core.errors import BatchLineRefused

MAX_LINES = 100_000
"""OpenAI takes 50,000 at most."""
MAX_FILE_BYTES = 256 * 1024 * 1024
"""OpenAI takes 200 MB at most."""
MAX_LINE_BYTES = 16 * 1024 * 1024


class BatchFileLine(msgspec.Struct, frozen=True):
    """What one line requests."""

    number: int
    """From 1."""
    urls: tuple[str, ...]
    """One, unless the key stands twice."""
    models: tuple[str, ...]
    text: bytes


class BatchFileLines:
    """Takes a file in pieces and yields its lines. Raises BatchLineRefused for one that is no request."""

    def __init__(self) -> None:
        """Nothing has come yet."""
        self._rest: list[bytes] = []
        self._rest_size = 0
        self._size = 0
        self._number = 0

    def feed(self, data: bytes) -> Iterator[BatchFileLine]:
        """Yield the lines that are complete with the next bytes."""
        self._size += len(data)
        if self._size > MAX_FILE_BYTES:
            raise BatchLineRefused(f"The batch was not made: its file has more than {MAX_FILE_BYTES:,} bytes.")
        first, *others = data.split(b"\n")
        self._rest.append(first)
        self._rest_size += len(first)
        self._check_size()
        for other in others:
            yield from self._line()
            self._rest, self._rest_size = [other], len(other)
            self._check_size()

    def end(self) -> Iterator[BatchFileLine]:
        """Yield the last line, which needs no mark of its end."""
        yield from self._line()
        self._rest, self._rest_size = [], 0

    def _line(self) -> Iterator[BatchFileLine]:
        self._number += 1
        if self._number > MAX_LINES:
            raise BatchLineRefused(f"The batch was not made: its file has more than {MAX_LINES:,} lines.")
        text = b"".join(self._rest)
        if text.strip():
            yield _read(self._number, text)

    def _check_size(self) -> None:
        if self._rest_size > MAX_LINE_BYTES:
            raise refused(self._number + 1, f"it has more than {MAX_LINE_BYTES:,} bytes")


def check_line(line: BatchFileLine, *, endpoints: Sequence[str], allowed: Sequence[frozenset[str]]) -> None:
    """Check a line's endpoint and model. Raises BatchLineRefused.

    `endpoints` are the paths that the batch may call; `allowed` are sets of models, each of which must have the
    line's model, and an empty one has all.
    """
    for url in line.urls or ("",):
        if url not in endpoints:
            raise refused(line.number, f"its `url` is `{url[:100]}`, and the batch is for {' or '.join(endpoints)}")
    for models in allowed:
        for model in (line.models or ("",)) if models else ():
            if model not in models:
                raise refused(line.number, f"the model `{model[:100]}` does not exist or you do not have access to it")


def refused(number: int, reason: str) -> BatchLineRefused:
    """Return the error for a line."""
    return BatchLineRefused(f"The batch was not made: line {number:,} of its file is refused, because {reason}.")


def _read(number: int, text: bytes) -> BatchFileLine:
    try:
        pairs = json.loads(text.decode(), object_pairs_hook=tuple)
    except (ValueError, RecursionError) as error:
        raise refused(number, "it is not JSON") from error
    if not isinstance(pairs, tuple):
        raise refused(number, "it is not a JSON object")
    bodies = [value for key, value in pairs if key == "body"]
    if not all(isinstance(body, tuple) for body in bodies):
        raise refused(number, "its `body` is not an object")
    urls = [value for key, value in pairs if key == "url"]
    models = [value for body in bodies for key, value in body if key == "model"]
    if not all(isinstance(value, str) for value in (*urls, *models)):
        raise refused(number, "its `url` or its `model` is not a text")
    return BatchFileLine(number, tuple(urls), tuple(models), text)
