"""What the gate decides, said a second time in plain Python on `tidegate.limits.token_bucket`."""

import math
from collections.abc import Iterator

import msgspec

from tidegate.limits import token_bucket
from tidegate.limits.scopes import Scope, Terms
from tidegate.limits.scripts import Admission

Refusal = tuple[str, str, float]
"""What, whose, and the wait in seconds; infinite for never."""


class Held(msgspec.Struct, kw_only=True):
    """What a call under way holds."""

    terms: Terms
    spends: bool
    due: float


class Model:
    """The counters of one gate, in memory."""

    def __init__(self) -> None:
        self.full_at: dict[tuple[str, str], float] = {}
        self.days: dict[tuple[str, str], int] = {}
        self.spent: dict[tuple[str, str], int] = {}
        self.held: dict[tuple[str, str], int] = {}
        self.holds: dict[str, Held] = {}
        self.lost: dict[str, Held] = {}
        self.flights: dict[str, str] = {}
        self.answers: dict[str, float] = {}

    def admit(self, ask: Admission) -> str | Refusal:
        """`hit`, `join`, `go`, or a refusal."""
        terms, now = ask.terms, ask.now
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
        if any(scope.cc is not None for scope in terms.scopes):
            self.holds[terms.id] = Held(terms=terms, spends=False, due=now + terms.lease)
        return "join"

    def settle(self, ask: Admission, *, c: int, k: int, now: float, keep_seconds: float) -> None:
        """A call is over, perhaps not for the first time."""
        terms = ask.terms
        if hold := self.holds.pop(terms.id, None):
            if hold.spends:
                self._hold(terms, -terms.c)
                for scope in terms.scopes:
                    if scope.tpm is not None:
                        self._take("tpm", scope, scope.tpm, k - terms.k, now)
            self._count(self.spent, terms, c)
        elif terms.id in self.lost:
            del self.lost[terms.id]
            self._count(self.spent, terms, c - terms.c)
        if keep_seconds:
            self.answers[ask.fingerprint] = now + keep_seconds
        if self.flights.get(ask.fingerprint) == ask.owner:
            del self.flights[ask.fingerprint]

    def renew(self, due: float) -> None:
        """The process of all calls under way is alive."""
        for hold in self.holds.values():
            hold.due = due

    def _reap(self, now: float) -> None:
        for name, hold in list(self.holds.items()):
            if hold.due <= now:
                del self.holds[name]
                if hold.spends:
                    self._hold(hold.terms, -hold.terms.c)
                    self._count(self.spent, hold.terms, hold.terms.c)
                    self.lost[name] = hold

    def _requests(self, terms: Terms, now: float) -> Iterator[Refusal]:
        for scope in terms.scopes:
            if scope.rpm is not None:
                yield from self._bucket("rpm", "requests", scope, scope.rpm, 1, now)
            if scope.rpd is not None and self.days.get((scope.n, terms.d), 0) >= scope.rpd:
                yield "day", scope.n, terms.midnight - now if scope.rpd else math.inf

    def _flying(self, terms: Terms, now: float) -> Iterator[Refusal]:
        for scope in terms.scopes:
            if scope.cc is not None:
                flying = [h for h in self.holds.values() if h.due > now and scope.n in [s.n for s in h.terms.scopes]]
                if len(flying) >= scope.cc:
                    yield "concurrency", scope.n, 1.0 if scope.cc else math.inf

    def _spending(self, terms: Terms, now: float) -> Iterator[Refusal]:
        for scope in terms.scopes:
            if scope.tpm is not None:
                yield from self._bucket("tpm", "tokens", scope, scope.tpm, terms.k, now)
            for limit, period, end in ((scope.bd, terms.d, terms.midnight), (scope.bm, terms.m, terms.month_end)):
                if limit is not None and terms.c:
                    yield from self._budget(scope, limit, period, terms.c, end - now)

    def _bucket(self, kind: str, what: str, scope: Scope, limit: int, amount: int, now: float) -> Iterator[Refusal]:
        wait = token_bucket.wait(self.full_at.get((kind, scope.n), 0.0), limit, amount, now)
        if wait is None:
            yield "too_large" if what == "tokens" else what, scope.n, math.inf
        elif wait > 0:
            yield what, scope.n, wait

    def _budget(self, scope: Scope, limit: int, period: str, c: int, renewal: float) -> Iterator[Refusal]:
        spent, held = self.spent.get((scope.n, period), 0), self.held.get((scope.n, period), 0)
        if spent + c > limit:
            yield "budget", scope.n, math.inf if c > limit else renewal
        elif spent + held + c > limit:
            yield "budget_held", scope.n, 1.0

    def _go(self, ask: Admission) -> None:
        terms = ask.terms
        for scope in terms.scopes:
            if scope.tpm is not None:
                self._take("tpm", scope, scope.tpm, terms.k, ask.now)
        self._hold(terms, terms.c)
        self.holds[terms.id] = Held(terms=terms, spends=True, due=ask.now + terms.lease)
        if ask.claim:
            self.flights[ask.fingerprint] = ask.owner

    def _take_request(self, terms: Terms, now: float) -> None:
        for scope in terms.scopes:
            if scope.rpm is not None:
                self._take("rpm", scope, scope.rpm, 1, now)
            if scope.rpd is not None:
                self.days[scope.n, terms.d] = self.days.get((scope.n, terms.d), 0) + 1

    def _take(self, kind: str, scope: Scope, limit: int, amount: int, now: float) -> None:
        before = self.full_at.get((kind, scope.n), 0.0)
        self.full_at[kind, scope.n] = float(
            f"{token_bucket.taken(before, limit, amount, now):.6f}"
        )  # as Redis keeps it

    def _hold(self, terms: Terms, nanos: int) -> None:
        budgets = tuple(scope for scope in terms.scopes if scope.bd is not None or scope.bm is not None)
        self._count(self.held, msgspec.structs.replace(terms, scopes=budgets), nanos)

    @staticmethod
    def _count(counters: dict[tuple[str, str], int], terms: Terms, nanos: int) -> None:
        for scope in terms.scopes:
            for period in (terms.d, terms.m):
                counters[scope.n, period] = counters.get((scope.n, period), 0) + nanos


def _longest(refusals: list[Refusal]) -> Refusal:
    return max(refusals, key=lambda refusal: refusal[2])


def alike(one: str | Refusal, other: str | Refusal) -> bool:
    """Whether two decisions are the same, their waits to the microseconds that a text keeps."""
    if isinstance(one, str) or isinstance(other, str):
        return one == other
    return one[:2] == other[:2] and (one[2] == other[2] or abs(one[2] - other[2]) < 1e-5)
