"""The decisions of the limit scripts as a plain model in Python, on `tidegate.limits.token_bucket`."""

import math
from collections.abc import Iterator

import msgspec

from tidegate.limits import token_bucket
from tidegate.limits.scopes import LimitScope, Reservation
from tidegate.limits.scripts import AdmissionRequest

Rejection = tuple[str, str, float]
"""What, whose, and the wait in seconds; infinite for never."""


class ModelReservation(msgspec.Struct, kw_only=True):
    """The reservation of a request in progress."""

    reservation: Reservation
    spends: bool
    due: float


class LimitModel:
    """The counters of the scripts, in memory."""

    def __init__(self) -> None:
        self.full_at: dict[tuple[str, str], float] = {}
        self.days: dict[tuple[str, str], int] = {}
        self.spent: dict[tuple[str, str], int] = {}
        self.held: dict[tuple[str, str], int] = {}
        self.active: dict[str, ModelReservation] = {}
        self.lost: dict[str, ModelReservation] = {}
        self.flights: dict[str, str] = {}
        self.answers: dict[str, float] = {}

    def admit(self, request: AdmissionRequest) -> str | Rejection:
        """Return `hit`, `join`, `go`, or a rejection."""
        reservation, now = request.reservation, request.now
        self._reap(now)
        owner = self.flights.get(request.fingerprint) if request.claim else None
        stored = request.lookup and now < self.answers.get(request.fingerprint, 0.0)
        if rejections := list(self._requests(reservation, now)):
            more = [] if stored or owner else list(self._spending(reservation, now))
            return _longest([*rejections, *more])
        if stored:
            self._take_request(reservation, now)
            return "hit"
        rejections = list(self._flying(reservation, now))
        if owner is None:
            rejections += self._spending(reservation, now)
        if rejections:
            return _longest(rejections)
        self._take_request(reservation, now)
        if owner is None:
            self._go(request)
            return "go"
        if any(scope.concurrency is not None for scope in reservation.scopes):
            self.active[reservation.id] = ModelReservation(
                reservation=reservation, spends=False, due=now + reservation.lease_seconds
            )
        return "join"

    def settle(
        self, request: AdmissionRequest, *, cost_nanos: int, tokens: int, now: float, fresh_seconds: float
    ) -> None:
        """Settle a request, perhaps not for the first time."""
        reservation = request.reservation
        if held := self.active.pop(reservation.id, None):
            if held.spends:
                self._hold(reservation, -reservation.cost_nanos)
                for scope in reservation.scopes:
                    if scope.tpm is not None:
                        self._take("tpm", scope, scope.tpm, tokens - reservation.tokens, now)
            self._count(self.spent, reservation, cost_nanos)
        elif reservation.id in self.lost:
            del self.lost[reservation.id]
            self._count(self.spent, reservation, cost_nanos - reservation.cost_nanos)
        if fresh_seconds:
            self.answers[request.fingerprint] = now + fresh_seconds
        if self.flights.get(request.fingerprint) == request.owner:
            del self.flights[request.fingerprint]

    def renew(self, due: float) -> None:
        """Renew all reservations."""
        for held in self.active.values():
            held.due = due

    def _reap(self, now: float) -> None:
        for name, held in list(self.active.items()):
            if held.due <= now:
                del self.active[name]
                if held.spends:
                    self._hold(held.reservation, -held.reservation.cost_nanos)
                    self._count(self.spent, held.reservation, held.reservation.cost_nanos)
                    self.lost[name] = held

    def _requests(self, reservation: Reservation, now: float) -> Iterator[Rejection]:
        for scope in reservation.scopes:
            if scope.rpm is not None:
                yield from self._bucket("rpm", "requests", scope, scope.rpm, 1, now)
            if scope.rpd is not None and self.days.get((scope.name, reservation.day), 0) >= scope.rpd:
                yield "day", scope.name, reservation.midnight - now if scope.rpd else math.inf

    def _flying(self, reservation: Reservation, now: float) -> Iterator[Rejection]:
        for scope in reservation.scopes:
            if scope.concurrency is not None:
                flying = [
                    h
                    for h in self.active.values()
                    if h.due > now and scope.name in [s.name for s in h.reservation.scopes]
                ]
                if len(flying) >= scope.concurrency:
                    yield "concurrency", scope.name, 1.0 if scope.concurrency else math.inf

    def _spending(self, reservation: Reservation, now: float) -> Iterator[Rejection]:
        for scope in reservation.scopes:
            if scope.tpm is not None:
                yield from self._bucket("tpm", "tokens", scope, scope.tpm, reservation.tokens, now)
            for limit, period, end in (
                (scope.budget_day, reservation.day, reservation.midnight),
                (scope.budget_week, reservation.week, reservation.week_end),
                (scope.budget_month, reservation.month, reservation.month_end),
            ):
                if limit is not None and reservation.cost_nanos:
                    yield from self._budget(scope, limit, period, reservation.cost_nanos, end - now)

    def _bucket(
        self, kind: str, what: str, scope: LimitScope, limit: int, amount: int, now: float
    ) -> Iterator[Rejection]:
        wait = token_bucket.seconds_until(self.full_at.get((kind, scope.name), 0.0), limit, amount, now)
        if wait is None:
            yield "too_large" if what == "tokens" else what, scope.name, math.inf
        elif wait > 0:
            yield what, scope.name, wait

    def _budget(self, scope: LimitScope, limit: int, period: str, c: int, renewal: float) -> Iterator[Rejection]:
        spent, held = self.spent.get((scope.name, period), 0), self.held.get((scope.name, period), 0)
        if spent + c > limit:
            yield "budget", scope.name, math.inf if c > limit else renewal
        elif spent + held + c > limit:
            yield "budget_held", scope.name, 1.0

    def _go(self, request: AdmissionRequest) -> None:
        reservation = request.reservation
        for scope in reservation.scopes:
            if scope.tpm is not None:
                self._take("tpm", scope, scope.tpm, reservation.tokens, request.now)
        self._hold(reservation, reservation.cost_nanos)
        self.active[reservation.id] = ModelReservation(
            reservation=reservation, spends=True, due=request.now + reservation.lease_seconds
        )
        if request.claim:
            self.flights[request.fingerprint] = request.owner

    def _take_request(self, reservation: Reservation, now: float) -> None:
        for scope in reservation.scopes:
            if scope.rpm is not None:
                self._take("rpm", scope, scope.rpm, 1, now)
            if scope.rpd is not None:
                self.days[scope.name, reservation.day] = self.days.get((scope.name, reservation.day), 0) + 1

    def _take(self, kind: str, scope: LimitScope, limit: int, amount: int, now: float) -> None:
        before = self.full_at.get((kind, scope.name), 0.0)
        self.full_at[kind, scope.name] = float(
            f"{token_bucket.full_at_after(before, limit, amount, now):.6f}"
        )  # as Redis keeps it

    def _hold(self, reservation: Reservation, nanos: int) -> None:
        budgets = tuple(scope for scope in reservation.scopes if scope.limits_money)
        self._count(self.held, msgspec.structs.replace(reservation, scopes=budgets), nanos)

    @staticmethod
    def _count(counters: dict[tuple[str, str], int], reservation: Reservation, nanos: int) -> None:
        for scope in reservation.scopes:
            for period in (reservation.day, reservation.week, reservation.month):
                counters[scope.name, period] = counters.get((scope.name, period), 0) + nanos


def _longest(rejections: list[Rejection]) -> Rejection:
    return max(rejections, key=lambda rejection: rejection[2])


def alike(one: str | Rejection, other: str | Rejection) -> bool:
    """Return whether two decisions are the same, their waits to the microsecond."""
    if isinstance(one, str) or isinstance(other, str):
        return one == other
    return one[:2] == other[:2] and (one[2] == other[2] or abs(one[2] - other[2]) < 1e-5)
