"""Read the budget counters in Redis: what was spent, and what requests in progress have reserved.

The budget report, the metrics and the spending alert read them; the scripts `admit` and `settle` write them.
"""

from collections.abc import Iterator, Sequence

import msgspec

from tidegate.limits.scopes import period_of
from tidegate.storage.redis import RedisLink

_SCOPES_PER_COMMAND = 200
"""Scopes read in one command: 800 numbers take well under a millisecond."""


class Amounts(msgspec.Struct, frozen=True, kw_only=True):
    """Nano-dollars of one period."""

    spent: int
    reserved: int
    """The most that requests in progress may still cost."""


class Spending(msgspec.Struct, frozen=True, kw_only=True):
    """One scope's amounts in the UTC day and month in which they were read."""

    scope: str
    """`key/ID`, `project/NAME`, `user/PROJECT/NAME` or `all`."""
    day: Amounts
    month: Amounts


class BudgetStore:
    """Read the budget counters of one deployment."""

    def __init__(self, redis: RedisLink, *, prefix: str) -> None:
        """`prefix` begins the names of Redis keys."""
        self._redis = redis
        self._prefix = f"{{{prefix}}}"

    async def read(self, scopes: Sequence[str], now: float) -> tuple[Spending, ...]:
        """Return the scopes' amounts in the order given; a scope without counters has 0. Raises RedisUnavailable."""
        spendings: list[Spending] = []
        for begin in range(0, len(scopes), _SCOPES_PER_COMMAND):
            spendings += await self._read_some(scopes[begin : begin + _SCOPES_PER_COMMAND], now)
        return tuple(spendings)

    async def counters_valid(self) -> bool:
        """Return whether the counters are valid; if not, they are rebuilt before the next paid request.

        Raises RedisUnavailable.
        """
        return bool(await self._redis.command("EXISTS", f"{self._prefix}:counted"))

    async def _read_some(self, scopes: Sequence[str], now: float) -> list[Spending]:
        period = period_of(now)
        names = [
            f"{self._prefix}:{kind}:{scope}:{when}"
            for scope in scopes
            for when in (period.day, period.month)
            for kind in ("spent", "held")
        ]
        numbers = iter([int(value or 0) for value in await self._redis.command("MGET", *names)])
        # keyword arguments are evaluated from left to right: the day's two numbers, then the month's
        return [Spending(scope=scope, day=_amounts(numbers), month=_amounts(numbers)) for scope in scopes]


def _amounts(numbers: Iterator[int]) -> Amounts:
    return Amounts(spent=next(numbers), reserved=next(numbers))
