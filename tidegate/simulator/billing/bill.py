"""The record of all requests and their results, with the figures that tests assert on."""

import hashlib
from collections import Counter, deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import msgspec

from tidegate.core.errors import ClientDisconnected
from tidegate.simulator.billing.tariff import Tariff, TokenUsage

LAST_REQUESTS = 100
"""The number of recent requests that the figures list one by one."""
_MOST_KEYS = 1000
"""The number of keys with figures of their own; further keys are in the total only."""


class BilledCall(msgspec.Struct, kw_only=True):
    """One request; its fields are set as they become known."""

    id: str
    route: str
    model: str | None = None
    stream: bool = False
    user: str | None = None
    """The end user that the request names."""
    tools: bool = False
    """Whether it offers tools."""
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
    cached_tokens: int = 0
    """Cached tokens of the input."""
    output_tokens: int = 0
    cost_nanos: int | None = 0
    """The cost; None where the model has no price."""

    def charge(self, used: TokenUsage, tariff: Tariff) -> None:
        """Record the tokens used and their cost."""
        self.input_tokens, self.cached_tokens, self.output_tokens = used.input, used.cached, used.output
        self.cost_nanos = tariff.nanos(self.model or "", used)

    def note_request(self, model: str, body: dict[str, Any]) -> None:
        """Record the main parameters of the request."""
        self.model, self.stream, self.tools = model, bool(body.get("stream")), bool(body.get("tools"))
        user = body.get("user") or body.get("safety_identifier")
        self.user = user if isinstance(user, str) else None

    def note_body(self, body: bytes) -> None:
        """Record the digest of the body."""
        self.body_sha256 = hashlib.sha256(body).hexdigest()


class CallCounters:
    """Counters of calls."""

    def __init__(self) -> None:
        """All counters start at zero."""
        self.calls: Counter[str] = Counter()
        self._ends: Counter[str] = Counter()
        self._faults: Counter[str] = Counter()
        self._tokens: Counter[str] = Counter()
        self.cost_nanos = 0
        """What the calls that are over cost."""
        self._unpriced = 0

    def end(self, call: BilledCall) -> None:
        """Count a call that is over."""
        self._ends[call.end] += 1
        if call.fault:
            self._faults[call.fault] += 1
        self._tokens["input"] += call.input_tokens
        self._tokens["output"] += call.output_tokens
        self.cost_nanos += call.cost_nanos or 0
        self._unpriced += call.cost_nanos is None

    def figures(self) -> dict[str, Any]:
        """Return all figures, ready for JSON."""
        ends = {end: self._ends[end] for end in ("served", "refused", "broken", "cancelled")}
        return {
            "calls": dict(self.calls),
            **ends,
            "faults": dict(self._faults),
            "tokens": {"input": self._tokens["input"], "output": self._tokens["output"]},
            "cost_nanos": self.cost_nanos,
            "unpriced": self._unpriced,
        }


class Bill:
    """Counters since the start or the last reset, in total and for each key."""

    def __init__(self, remember: int = LAST_REQUESTS) -> None:
        """All counters start at zero; `remember` requests are kept one by one."""
        self._remember = remember
        self.reset()

    def reset(self) -> None:
        """Reset all counters; calls in flight are forgotten."""
        self._all = CallCounters()
        self._by_key: dict[str, CallCounters] = {}
        self._open: set[int] = set()
        self._last: deque[BilledCall] = deque(maxlen=self._remember)

    @contextmanager
    def call(self, call: BilledCall) -> Iterator[BilledCall]:
        """Record one call from its headers to its last byte."""
        self._open.add(id(call))
        self._last.append(call)
        for tally in self._tallies(call):
            tally.calls[call.route] += 1
        try:
            yield call
            call.end = "served" if call.end == "in_flight" else call.end
        except ClientDisconnected:
            call.end = "cancelled"
        finally:
            call.end = "broken" if call.end == "in_flight" else call.end
            self._close(call)

    def _close(self, call: BilledCall) -> None:
        if id(call) not in self._open:
            return  # a reset forgot it
        self._open.discard(id(call))
        for tally in self._tallies(call):
            tally.end(call)

    def _tallies(self, call: BilledCall) -> list[CallCounters]:
        key = call.key_ends
        if key is None or (key not in self._by_key and len(self._by_key) >= _MOST_KEYS):
            return [self._all]
        return [self._all, self._by_key.setdefault(key, CallCounters())]

    def figures(self) -> dict[str, Any]:
        """Return all figures, ready for JSON."""
        return {
            **self._all.figures(),
            "in_flight": len(self._open),
            "keys": {key: tally.figures() for key, tally in self._by_key.items()},
            "requests": self.remembered()[-LAST_REQUESTS:],
        }

    def costs(self) -> dict[str, int]:
        """Return what the calls with each key cost, in nano-dollars, by its last four characters."""
        return {key: tally.cost_nanos for key, tally in self._by_key.items()}

    def remembered(self) -> list[BilledCall]:
        """Return the recent requests."""
        return list(self._last)
