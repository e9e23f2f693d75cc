"""The limits while Redis is away: the same arithmetic, in this process's memory, on its share of each limit."""

import math
from collections import OrderedDict
from collections.abc import Iterator

from tidegate.limits import token_bucket
from tidegate.limits.decision import Refuse
from tidegate.limits.scopes import Scope, Terms
from tidegate.queue.replicas import Replicas

_MOST_REMEMBERED = 10_000


class LocalLimits:
    """Keeps requests and tokens a minute, requests a day and calls in flight; knows nothing of budgets."""

    def __init__(self, replicas: Replicas) -> None:
        """Each of the `replicas` keeps an equal share, of at least 1."""
        self._replicas = replicas
        self._buckets: OrderedDict[str, float] = OrderedDict()
        self._days: OrderedDict[str, int] = OrderedDict()
        self._flying: dict[str, tuple[str, ...]] = {}

    def refuse_or_take(self, terms: Terms, *, now: float, spends: bool = True) -> Refuse | None:
        """Refuse with the longest wait of what refuses, or take from all. `now` in Unix seconds.

        A call that does not spend waits for another's answer: it takes no tokens.
        """
        refusals = [refusal for scope in terms.scopes for refusal in self._refusals(scope, terms, now, spends=spends)]
        if refusals:
            return max(refusals, key=lambda refusal: math.inf if refusal.wait is None else refusal.wait)
        for scope in terms.scopes:
            self._take(scope, terms, now, spends=spends)
        limited = tuple(scope.n for scope in terms.scopes if scope.cc is not None)
        if limited:
            self._flying[terms.id] = limited
        return None

    def ended(self, request_id: str) -> None:
        """A call is over."""
        self._flying.pop(request_id, None)

    def _refusals(self, scope: Scope, terms: Terms, now: float, *, spends: bool) -> Iterator[Refuse]:
        for what, limit, amount in _rates(scope, terms, spends=spends):
            share = self._replicas.share(limit)
            full_at = self._buckets.get(f"{what}:{scope.n}", 0.0)
            wait = token_bucket.wait(full_at, share, amount, now)
            if wait is None:
                yield _refusal("too_large" if what == "tokens" else what, scope, share, 0, amount, None)
            elif wait > 0.0:
                used = share - token_bucket.level(full_at, share, now)
                yield _refusal(what, scope, share, used, amount, wait)
        if scope.rpd is not None:
            share = self._replicas.share(scope.rpd)
            if (today := self._days.get(f"{scope.n}:{terms.d}", 0)) >= share:
                yield _refusal("day", scope, share, today, 1, terms.midnight - now if scope.rpd else None)
        if scope.cc is not None:
            share = self._replicas.share(scope.cc)
            if (flying := sum(scope.n in names for names in self._flying.values())) >= share:
                yield _refusal("concurrency", scope, share, flying, 1, 1.0 if scope.cc else None)

    def _take(self, scope: Scope, terms: Terms, now: float, *, spends: bool) -> None:
        for what, limit, amount in _rates(scope, terms, spends=spends):
            name = f"{what}:{scope.n}"
            self._buckets[name] = token_bucket.taken(
                self._buckets.get(name, 0.0), self._replicas.share(limit), amount, now
            )
            self._buckets.move_to_end(name)
        if scope.rpd is not None:
            name = f"{scope.n}:{terms.d}"
            self._days[name] = self._days.get(name, 0) + 1
            self._days.move_to_end(name)
        for memory in (self._buckets, self._days):
            while len(memory) > _MOST_REMEMBERED:
                memory.popitem(last=False)


def _rates(scope: Scope, terms: Terms, *, spends: bool) -> Iterator[tuple[str, int, int]]:
    if scope.rpm is not None:
        yield "requests", scope.rpm, 1
    if scope.tpm is not None and spends:
        yield "tokens", scope.tpm, terms.k


def _refusal(what: str, scope: Scope, limit: float, used: float, requested: float, wait: float | None) -> Refuse:
    return Refuse(what=what, scope=scope.n, limit=limit, used=used, requested=requested, wait=wait)
