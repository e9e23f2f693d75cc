"""An attempt from waiting for its turn until its answer has begun, interrupted where waiting has become useless.

A target that goes down and a credential that is taken out release all who wait for their turn there. A target that is
silent altogether releases those, too, who wait for its answer.
"""

import asyncio
from collections.abc import Awaitable, Callable

from tidegate.core.errors import FirstByteTimeout, TargetDown, TidegateError, TotalTimeout
from tidegate.core.interrupt import Interruption
from tidegate.routing.attempt import Attempt
from tidegate.routing.fallback_policy import Ask
from tidegate.routing.health.registry import Board

Come = Callable[[], Awaitable[bool | None]]
"""Waits for the turn; False where there is no time for it."""


class Sending:
    """Sends one attempt, and tells the board how it went."""

    def __init__(self, ask: Ask, attempt: Attempt, board: Board, *, seconds: float | None) -> None:
        """`seconds` is what the call as a whole has left, where the attempt's own clocks may not see to it."""
        self._ask = ask
        self._attempt = attempt
        self._board = board
        self._seconds = seconds
        self._trial = ask.is_trial
        self._interruption = Interruption()
        self._sent = False
        self._slow = False

    async def run(self, come: Come) -> bool:
        """Send it; True once its answer has begun, False where its turn cannot come. Raises TidegateError."""
        ask, board, hear = self._ask, self._board, self._hear
        board.listen(hear, ask.target, ask.credential)
        try:
            with self._interruption:
                if await come() is False:
                    return False
                await self._answer()
        except TidegateError as error:
            self._attempt.close()
            if not self._interruption.struck or self._slow:
                board.failed(ask.target, ask.credential, error, trial=self._trial, slow=self._slow)
                self._trial = False
            raise
        else:
            board.answered(ask.target, ask.credential, trial=self._trial)
            self._trial = False
            return True
        finally:
            board.ignore(hear)
            if self._trial:
                board.gave_up(ask.target)

    async def _answer(self) -> None:
        target, timers = self._ask.target, self._timers()
        self._sent = True
        self._board.sent(target)
        try:
            await self._attempt.open()
        finally:
            self._board.heard(target, a_word=self._attempt.first_byte_seconds is not None)
            for timer in timers:
                timer.cancel()

    def _timers(self) -> list[asyncio.TimerHandle]:
        timers: list[asyncio.TimerHandle] = []
        if self._seconds is None and not self._trial:
            return timers
        loop = asyncio.get_running_loop()
        if self._seconds is not None:
            timers.append(loop.call_later(self._seconds, self._interruption.strike, TotalTimeout()))
        if self._trial:
            seconds = self._board.standings.breaker(self._ask.target).trial_seconds
            timers.append(loop.call_later(seconds, self._trial_is_slow))
        return timers

    def _trial_is_slow(self) -> None:
        if self._board.trial_survived(self._ask.target):
            self._trial = False
            return
        self._slow = True
        self._interruption.strike(FirstByteTimeout("The upstream had been down, and did not answer in a trial's time."))

    def _hear(self, error: TidegateError | None, silent: bool) -> None:  # noqa: FBT001  # a callback's fixed form
        if silent or not self._sent:
            self._interruption.strike(error or TargetDown())
