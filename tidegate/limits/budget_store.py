"""Read the budget counters in Redis: what was spent, and what requests in progress have reserved.

The budget report, the metrics and the alert `cost` read them; the scripts `admit` and `settle` write them.
"""

from collections.abc import Iterator, Sequence

import msgspec

from tidegate.limits.budget_calendar import UTC_CALENDAR, BudgetCalendar
from tidegate.storage.names import RedisNames
from tidegate.storage.redis import RedisLink, Script

COUNTED = "2:"
"""Begins the value of `counted` while the counters are valid, see `reservations.lua`."""

WITH_WEEKS = "+week"
"""Ends that value where weeks are counted, too."""

_SCOPES_PER_COMMAND = 200
"""Scopes read in one command: 1,200 numbers take well under a millisecond."""


class Amounts(msgspec.Struct, frozen=True, kw_only=True):
    """Nano-dollars of one period."""

    spent: int
    reserved: int
    """The most that requests in progress may still cost."""


_NOTHING = Amounts(spent=0, reserved=0)


class Spending(msgspec.Struct, frozen=True, kw_only=True):
    """One scope's amounts in the day, week and month in which they were read."""

    scope: str
    """`key/ID`, `project/NAME`, `user/PROJECT/NAME`, `tag/PROJECT/NAME/VALUE` or `all`."""
    day: Amounts
    week: Amounts = _NOTHING
    month: Amounts


class BudgetStore:
    """Read the budget counters of one deployment."""

    def __init__(self, redis: RedisLink, *, prefix: str, calendar: BudgetCalendar = UTC_CALENDAR) -> None:
        """`prefix` begins the names of Redis keys."""
        self._redis = redis
        self._calendar = calendar
        names = RedisNames(prefix)
        self._prefix, self._counted_key = names.tag, names.of("counted")
        self._invalidate = Script("invalidate_counters")
        self._begin_names = tuple(map(names.start, ("spent", "held")))

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
        value: bytes | None = await self._redis.command("GET", self._counted_key)
        if value is None or not value.startswith(COUNTED.encode()):
            return False
        zone, _, _ = value.removeprefix(COUNTED.encode()).rpartition(b":")
        return zone == self._calendar.label.encode()

    async def recount(self) -> None:
        """Have the counters rebuilt from the ledger before the next paid request. Raises RedisUnavailable."""
        await self._redis.run(self._invalidate, (), (self._prefix,))

    async def _read_some(self, scopes: Sequence[str], now: float) -> list[Spending]:
        period = self._calendar.period(now)
        names = [
            f"{begin}{scope}:{when}"
            for scope in scopes
            for when in (period.day, period.week, period.month)
            for begin in self._begin_names
        ]
        numbers = iter(await self._numbers(names))
        # keyword arguments are evaluated from left to right: the day's two numbers, the week's, then the month's
        return [
            Spending(scope=scope, day=_amounts(numbers), week=_amounts(numbers), month=_amounts(numbers))
            for scope in scopes
        ]

    async def _numbers(self, names: Sequence[str]) -> list[int]:
        values = await self._redis.command("MGET", *names)
        try:
            return [int(value or 0) for value in values]
        except ValueError:
            for name, value in zip(names, values, strict=True):
                if not (value or b"0").lstrip(b"-").isdigit():
                    await self._redis.repair(name)
        return [int(value or 0) for value in await self._redis.command("MGET", *names)]


def _amounts(numbers: Iterator[int]) -> Amounts:
    return Amounts(spent=next(numbers), reserved=next(numbers))
