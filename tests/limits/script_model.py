"""What the gate decides, said a second time in plain Python on `tidegate.limits.token_bucket`."""

import math
from collections.abc import Iterator

import msgspec

from tidegate.limits import token_bucket
from tidegate.limits.scopes import LimitScope, Reservation
from tidegate.limits.scripts import AdmissionRequest

Refusal = tuple[str, str, float]
"""What, whose, and the wait in seconds; infinite for never."""


class ModelReservation(msgspec.Struct, kw_only=True):
    """What a call under way holds."""

    reservation: Reservation
    spends: bool
    due: float


class LimitModel:
    """The counters of one gate, in memory."""

    def __init__(self) -> None:
        self.full_at: dict[tuple[str, str], float] = {}
        self.days: dict[tuple[str, str], int] = {}
        self.spent: dict[tuple[str, str], int] = {}
        self.held: dict[tuple[str, str], int] = {}
        self.active: dict[str, ModelReservation] = {}
        self.lost: dict[str, ModelReservation] = {}
        self.flights: dict[str, str] = {}
        self.answers: dict[str, float] = {}

    def admit(self, ask: AdmissionRequest) -> str | Refusal:
        """`hit`, `join`, `go`, or a refusal."""
        terms, now = ask.reservation, ask.now
        self._reap(now)
        owner = self.flights.get(ask.fingerprint) if ask.claim else None
        stored = ask.lookup and now < self.answers.get(ask.fingerprint, 0.0)
        if refusals := list(self._requests(terms, now)):
            more = [] if stored or owner else list(self._spending(terms, now))
            return _longest([*refusals, *more])
        if stored:
            self._take_request(terms, now)
            return "hit"
        refusals = list(self._flying(terms, now))
        if owner is None:
            refusals += self._spending(terms, now)
        if refusals:
            return _longest(refusals)
        self._take_request(terms, now)
        if owner is None:
            self._go(ask)
            return "go"
        if any(scope.concurrency is not None for scope in terms.scopes):
            self.active[terms.id] = ModelReservation(reservation=terms, spends=False, due=now + terms.lease_seconds)
        return "join"

    def settle(self, ask: AdmissionRequest, *, cost_nanos: int, tokens: int, now: float, fresh_seconds: float) -> None:
        """A call is over, perhaps not for the first time."""
        terms = ask.reservation
        if hold := self.active.pop(terms.id, None):
            if hold.spends:
                self._hold(terms, -terms.cost_nanos)
                for scope in terms.scopes:
                    if scope.tpm is not None:
                        self._take("tpm", scope, scope.tpm, tokens - terms.tokens, now)
            self._count(self.spent, terms, cost_nanos)
        elif terms.id in self.lost:
            del self.lost[terms.id]
            self._count(self.spent, terms, cost_nanos - terms.cost_nanos)
        if fresh_seconds:
            self.answers[ask.fingerprint] = now + fresh_seconds
        if self.flights.get(ask.fingerprint) == ask.owner:
            del self.flights[ask.fingerprint]

    def renew(self, due: float) -> None:
        """The process of all calls under way is alive."""
        for hold in self.active.values():
            hold.due = due

    def _reap(self, now: float) -> None:
        for name, hold in list(self.active.items()):
            if hold.due <= now:
                del self.active[name]
                if hold.spends:
                    self._hold(hold.reservation, -hold.reservation.cost_nanos)
                    self._count(self.spent, hold.reservation, hold.reservation.cost_nanos)
                    self.lost[name] = hold

    def _requests(self, terms: Reservation, now: float) -> Iterator[Refusal]:
        for scope in terms.scopes:
            if scope.rpm is not None:
                yield from self._bucket("rpm", "requests", scope, scope.rpm, 1, now)
            if scope.rpd is not None and self.days.get((scope.name, terms.day), 0) >= scope.rpd:
                yield "day", scope.name, terms.midnight - now if scope.rpd else math.inf

    def _flying(self, terms: Reservation, now: float) -> Iterator[Refusal]:
        for scope in terms.scopes:
            if scope.concurrency is not None:
                flying = [
                    h
                    for h in self.active.values()
                    if h.due > now and scope.name in [s.name for s in h.reservation.scopes]
                ]
                if len(flying) >= scope.concurrency:
                    yield "concurrency", scope.name, 1.0 if scope.concurrency else math.inf

    def _spending(self, terms: Reservation, now: float) -> Iterator[Refusal]:
        for scope in terms.scopes:
            if scope.tpm is not None:
                yield from self._bucket("tpm", "tokens", scope, scope.tpm, terms.tokens, now)
            for limit, period, end in (
                (scope.budget_day, terms.day, terms.midnight),
                (scope.budget_month, terms.month, terms.month_end),
            ):
                if limit is not None and terms.cost_nanos:
                    yield from self._budget(scope, limit, period, terms.cost_nanos, end - now)

    def _bucket(
        self, kind: str, what: str, scope: LimitScope, limit: int, amount: int, now: float
    ) -> Iterator[Refusal]:
        wait = token_bucket.seconds_until(self.full_at.get((kind, scope.name), 0.0), limit, amount, now)
        if wait is None:
            yield "too_large" if what == "tokens" else what, scope.name, math.inf
        elif wait > 0:
            yield what, scope.name, wait

    def _budget(self, scope: LimitScope, limit: int, period: str, c: int, renewal: float) -> Iterator[Refusal]:
        spent, held = self.spent.get((scope.name, period), 0), self.held.get((scope.name, period), 0)
        if spent + c > limit:
            yield "budget", scope.name, math.inf if c > limit else renewal
        elif spent + held + c > limit:
            yield "budget_held", scope.name, 1.0

    def _go(self, ask: AdmissionRequest) -> None:
        terms = ask.reservation
        for scope in terms.scopes:
            if scope.tpm is not None:
                self._take("tpm", scope, scope.tpm, terms.tokens, ask.now)
        self._hold(terms, terms.cost_nanos)
        self.active[terms.id] = ModelReservation(reservation=terms, spends=True, due=ask.now + terms.lease_seconds)
        if ask.claim:
            self.flights[ask.fingerprint] = ask.owner

    def _take_request(self, terms: Reservation, now: float) -> None:
        for scope in terms.scopes:
            if scope.rpm is not None:
                self._take("rpm", scope, scope.rpm, 1, now)
            if scope.rpd is not None:
                self.days[scope.name, terms.day] = self.days.get((scope.name, terms.day), 0) + 1

    def _take(self, kind: str, scope: LimitScope, limit: int, amount: int, now: float) -> None:
        before = self.full_at.get((kind, scope.name), 0.0)
        self.full_at[kind, scope.name] = float(
            f"{token_bucket.full_at_after(before, limit, amount, now):.6f}"
        )  # as Redis keeps it

    def _hold(self, terms: Reservation, nanos: int) -> None:
        budgets = tuple(
            scope for scope in terms.scopes if scope.budget_day is not None or scope.budget_month is not None
        )
        self._count(self.held, msgspec.structs.replace(terms, scopes=budgets), nanos)

    @staticmethod
    def _count(counters: dict[tuple[str, str], int], terms: Reservation, nanos: int) -> None:
        for scope in terms.scopes:
            for period in (terms.day, terms.month):
                counters[scope.name, period] = counters.get((scope.name, period), 0) + nanos


def _longest(refusals: list[Refusal]) -> Refusal:
    return max(refusals, key=lambda refusal: refusal[2])


def alike(one: str | Refusal, other: str | Refusal) -> bool:
    """Whether two decisions are the same, their waits to the microseconds that a text keeps."""
    if isinstance(one, str) or isinstance(other, str):
        return one == other
    return one[:2] == other[:2] and (one[2] == other[2] or abs(one[2] - other[2]) < 1e-5)
