"""A call that is sent again though its last attempt may be charged: the money of one more attempt is held as well."""

from collections.abc import Callable

from tidegate.core.clock import Clock
from tidegate.core.errors import TidegateError
from tidegate.limits.admission import Door
from tidegate.limits.scopes import Terms, resent
from tidegate.limits.scripts import bare

Line = Callable[[str], bytes]
"""The call's ledger entry under another name, should what is held be lost with its process."""


class Resending:
    """What one call holds besides its first attempt."""

    def __init__(self, door: Door, terms: Terms, line: Line, clock: Clock) -> None:
        self._door = door
        self._terms = terms
        self._line = line
        self._clock = clock
        self._names: list[str] = []
        self._asked = 0

    async def afford(self) -> bool:
        """Hold the money of one more attempt, under a name of its own; whether there was room in every budget."""
        terms = self._terms
        if terms.c == 0 or not any(scope.bd is not None or scope.bm is not None for scope in terms.scopes):
            return True
        self._asked += 1
        name = f"{terms.id}-sent-{self._asked + 1}"
        try:
            await self._door.admit(bare(resent(terms, name), self._line(name), now=self._clock.now()))
        except TidegateError:
            return False
        self._names.append(name)
        return True

    async def over(self) -> None:
        """The call is charged: nothing more is held."""
        while self._names:
            await self._door.give_back(self._names[-1], now=self._clock.now())
            self._names.pop()
