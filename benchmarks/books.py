"""The ledger's lines beside the simulator's bill: call by call, to the nano-dollar.

Most calls must cost the same in both. Where the upstream used more than can be seen from here, the ledger must never
have less than the bill, and no more than what such a call may be charged at most:
  left          the client hung up: the upstream wrote on until it knew
  timed out     the gateway waited no longer
  cut           an answer in one piece that did not arrive whole says nothing of its length
  torn          a stream that cannot be read on from some point
  broken        a stream that fell silent or ended half-way, a connection that broke: what was on its way is lost
  unseen        thoughts and a tool call's frame are tokens, and no text
  not stated    tokens that the upstream was told to make up, of an answer that did not arrive: nothing is compared
"""

from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from benchmarks.mixed_calls import LONG_TOKENS, MOST_TOKENS, STATED, THINKER
from tidegate.simulator.billing.tariff import TokenUsage, load

EXACT, LEFT, TIMED_OUT, NOT_STATED = "exact", "left", "timed out", "not stated"
_KINDS_BY_OUTCOME = {"client_disconnected": LEFT, "first_byte_timeout": TIMED_OUT}
_CUT = frozenset({"truncated", "truncated_clean", "stall", "malformed"})


_ABOVE_LIMIT = 16
"""Tokens that a call may be answered with beyond the limit that it states."""


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """A line of the ledger."""

    name: str
    outcome: str
    nanos: int


class Charge(msgspec.Struct, frozen=True, kw_only=True):
    """A line of the bill, as the simulator shows it."""

    user: str | None = None
    model: str | None = None
    stream: bool = False
    fault: str | None = None
    end: str = ""
    tools: bool = False
    input_tokens: int = 0
    output_tokens: int = 0
    cost_nanos: int | None = 0


class Sum(msgspec.Struct, kw_only=True):
    """What became of one kind of calls."""

    calls: int = 0
    billed: int = 0
    booked: int = 0
    most: int = 0
    """The largest difference of one call."""


class Books:
    """What was compared."""

    def __init__(self, lines: Iterable[Line], charges: Iterable[Charge]) -> None:
        self.sums: dict[str, Sum] = {}
        self.complaints: list[str] = []
        """Calls that ought to agree and do not."""
        self._tariff = load()
        booked: dict[str, list[Line]] = {}
        billed: dict[str, list[Charge]] = {}
        for line in lines:
            booked.setdefault(line.name, []).append(line)
        for charge in charges:
            billed.setdefault(charge.user or "nobody", []).append(charge)
        for name in booked.keys() | billed.keys():
            self._compare(name, booked.get(name, []), billed.get(name, []))

    @property
    def booked(self) -> int:
        """The ledger's sum."""
        return sum(each.booked for each in self.sums.values())

    @property
    def left_ratio(self) -> float:
        """What is booked for all calls that their clients left, by what is billed for them; 1 where there are none."""
        left = self.sums.get(LEFT, Sum())
        return left.booked / left.billed if left.billed else 1.0

    def told(self) -> Iterator[str]:
        """A table, in Markdown."""
        yield "| calls | | billed $ | in the ledger $ | more than billed $ | the largest of one call $ |"
        yield "|---|---:|---:|---:|---:|---:|"
        for kind, each in sorted(self.sums.items(), key=lambda item: -item[1].calls):
            money = (each.billed, each.booked, each.booked - each.billed, each.most)
            yield f"| {kind} | {each.calls:,} | " + " | ".join(f"{nanos / 1e9:.9f}" for nanos in money) + " |"

    def _compare(self, name: str, lines: list[Line], charges: list[Charge]) -> None:
        outcomes = [kind for line in lines if (kind := _KINDS_BY_OUTCOME.get(line.outcome))]
        kinds = [*outcomes, *(kind for kind in map(_kind, charges) if kind != EXACT), EXACT]
        kind = kinds[0]
        if name.startswith(STATED) and kind != EXACT:
            kind = NOT_STATED
        billed = sum(one.cost_nanos or 0 for one in charges)
        booked = sum(line.nanos for line in lines)
        each = self.sums.setdefault(kind, Sum())
        each.calls += 1
        each.billed += billed
        each.booked += booked
        each.most = max(each.most, abs(billed - booked))
        unseen = self._most_unseen(charges, LONG_TOKENS if kind == LEFT else MOST_TOKENS) if kind != EXACT else 0
        if kind != NOT_STATED and not 0 <= booked - billed <= unseen and not (kind != EXACT and not billed):
            self.complaints.append(f"{name}: {kind}, billed {billed}, booked {booked}: {charges} {lines}")

    def _most_unseen(self, charges: list[Charge], tokens: int) -> int:
        """What all that their calls could be answered with costs."""
        most = TokenUsage(output=tokens + _ABOVE_LIMIT)
        return sum((self._tariff.nanos(one.model or "", most) or 0) + 1 for one in charges)  # rounding


def _kind(charge: Charge) -> str:
    if charge.fault in _CUT and not charge.stream:
        return "cut"
    if charge.fault == "malformed":
        return "torn"
    if charge.fault in _CUT or charge.fault == "connection":
        return "broken"
    if charge.fault == "missing_usage" and (charge.tools or charge.model == THINKER):
        return "unseen"
    return EXACT


def charges_of(requests: list[dict[str, Any]]) -> list[Charge]:
    """The bill that the simulator shows at `/simulator/bill`."""
    return msgspec.convert(requests, list[Charge])
