"""What the simulator was asked and what became of it: the figures that tests assert on."""

import hashlib
from collections import Counter, deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import msgspec

from tidegate.core.errors import ClientGone

LAST_REQUESTS = 100
"""So many of the last requests are remembered one by one."""


class Call(msgspec.Struct, kw_only=True):
    """One request; it is filled in as it becomes known."""

    id: str
    route: str
    model: str | None = None
    stream: bool = False
    fault: str | None = None
    status: int | None = None
    end: str = "in_flight"
    """`in_flight`, `served`, `refused`, `broken` (a fault cut the answer) or `cancelled` (the client left)."""
    body_sha256: str | None = None
    key_ends: str | None = None
    """The last four characters of the key."""
    organization: str | None = None
    project: str | None = None
    input_tokens: int = 0
    output_tokens: int = 0

    def note_body(self, body: bytes) -> None:
        """Remember which body was sent, by its digest."""
        self.body_sha256 = hashlib.sha256(body).hexdigest()


class Bill:
    """Counters since the start or the last reset."""

    def __init__(self) -> None:
        """Everything at zero."""
        self.reset()

    def reset(self) -> None:
        """Everything to zero; a call that is in flight is forgotten."""
        self._calls: Counter[str] = Counter()
        self._ends: Counter[str] = Counter()
        self._faults: Counter[str] = Counter()
        self._tokens: Counter[str] = Counter()
        self._open: set[int] = set()
        self._last: deque[Call] = deque(maxlen=LAST_REQUESTS)

    @contextmanager
    def call(self, call: Call) -> Iterator[Call]:
        """Keep the bill of one call from its headers to its last byte."""
        self._calls[call.route] += 1
        self._open.add(id(call))
        self._last.append(call)
        try:
            yield call
            call.end = "served" if call.end == "in_flight" else call.end
        except ClientGone:
            call.end = "cancelled"
        finally:
            call.end = "broken" if call.end == "in_flight" else call.end
            self._close(call)

    def _close(self, call: Call) -> None:
        if id(call) not in self._open:
            return  # a reset forgot it
        self._open.discard(id(call))
        self._ends[call.end] += 1
        if call.fault:
            self._faults[call.fault] += 1
        self._tokens["input"] += call.input_tokens
        self._tokens["output"] += call.output_tokens

    def figures(self) -> dict[str, Any]:
        """All of it, ready for JSON."""
        ends = {end: self._ends[end] for end in ("served", "refused", "broken", "cancelled")}
        return {
            "calls": dict(self._calls),
            "in_flight": len(self._open),
            **ends,
            "faults": dict(self._faults),
            "tokens": {"input": self._tokens["input"], "output": self._tokens["output"]},
            "requests": list(self._last),
        }
