"""Limits in the memory of this process, for while Redis is away: each process enforces its share of each limit.

`AdmissionController` calls this only when Redis is unavailable. The arithmetic is that of the Lua scripts.
"""

import math
from collections import OrderedDict
from collections.abc import Iterator

from tidegate.limits import token_bucket
from tidegate.limits.decision import LimitRejection
from tidegate.limits.scopes import LimitScope, Reservation
from tidegate.queue.replicas import Replicas

_MAX_COUNTERS = 10_000


class LocalLimits:
    """Limit requests and tokens per minute, requests per day and requests in flight. Budgets are not limited here."""

    def __init__(self, replicas: Replicas) -> None:
        """Each of the `replicas` enforces an equal share of a limit, at least 1."""
        self._replicas = replicas
        self._buckets: OrderedDict[str, float] = OrderedDict()
        self._days: OrderedDict[str, int] = OrderedDict()
        self._in_flight: dict[str, tuple[str, ...]] = {}

    def reject_or_take(self, reservation: Reservation, *, now: float, spends: bool = True) -> LimitRejection | None:
        """Return the rejection with the longest wait, or take from all limits and return None. `now` in Unix seconds.

        With `spends=False` the request waits for another request's response: it takes no tokens.
        """
        rejections = [
            rejection
            for scope in reservation.scopes
            for rejection in self._rejections(scope, reservation, now, spends=spends)
        ]
        if rejections:
            return max(rejections, key=lambda rejection: math.inf if rejection.wait is None else rejection.wait)
        for scope in reservation.scopes:
            self._take(scope, reservation, now, spends=spends)
        limited_scopes = tuple(scope.name for scope in reservation.scopes if scope.concurrency is not None)
        if limited_scopes:
            self._in_flight[reservation.id] = limited_scopes
        return None

    def release(self, request_id: str) -> None:
        """Free the slot in flight of a request that has ended."""
        self._in_flight.pop(request_id, None)

    def _rejections(
        self, scope: LimitScope, reservation: Reservation, now: float, *, spends: bool
    ) -> Iterator[LimitRejection]:
        for kind, limit, amount in _rates(scope, reservation, spends=spends):
            share = self._replicas.share(limit)
            full_at = self._buckets.get(f"{kind}:{scope.name}", 0.0)
            wait = token_bucket.seconds_until(full_at, share, amount, now)
            if wait is None:
                yield _local_rejection("too_large" if kind == "tokens" else kind, scope, share, 0, amount, None)
            elif wait > 0.0:
                used = share - token_bucket.available(full_at, share, now)
                yield _local_rejection(kind, scope, share, used, amount, wait)
        if scope.rpd is not None:
            share = self._replicas.share(scope.rpd)
            if (today := self._days.get(f"{scope.name}:{reservation.day}", 0)) >= share:
                yield _local_rejection("day", scope, share, today, 1, reservation.midnight - now if scope.rpd else None)
        if scope.concurrency is not None:
            share = self._replicas.share(scope.concurrency)
            if (in_flight := sum(scope.name in names for names in self._in_flight.values())) >= share:
                yield _local_rejection("concurrency", scope, share, in_flight, 1, 1.0 if scope.concurrency else None)

    def _take(self, scope: LimitScope, reservation: Reservation, now: float, *, spends: bool) -> None:
        for kind, limit, amount in _rates(scope, reservation, spends=spends):
            name = f"{kind}:{scope.name}"
            self._buckets[name] = token_bucket.full_at_after(
                self._buckets.get(name, 0.0), self._replicas.share(limit), amount, now
            )
            self._buckets.move_to_end(name)
        if scope.rpd is not None:
            name = f"{scope.name}:{reservation.day}"
            self._days[name] = self._days.get(name, 0) + 1
            self._days.move_to_end(name)
        for counters in (self._buckets, self._days):
            while len(counters) > _MAX_COUNTERS:
                counters.popitem(last=False)


def _rates(scope: LimitScope, reservation: Reservation, *, spends: bool) -> Iterator[tuple[str, int, int]]:
    if scope.rpm is not None:
        yield "requests", scope.rpm, 1
    if scope.tpm is not None and spends:
        yield "tokens", scope.tpm, reservation.tokens


def _local_rejection(
    kind: str, scope: LimitScope, limit: float, used: float, requested: float, wait: float | None
) -> LimitRejection:
    return LimitRejection(kind=kind, scope=scope.name, limit=limit, used=used, requested=requested, wait=wait)
