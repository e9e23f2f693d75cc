"""An attempt from waiting for its turn until its answer has begun, interrupted where waiting has become useless.

A target that goes down and a credential that is taken out release all who wait for their turn there. A target that is
silent altogether releases those, too, who wait for its answer.
"""

import asyncio
from collections.abc import Awaitable, Callable

from tidegate.core.errors import FirstByteTimeout, TargetDown, TidegateError, TotalTimeout
from tidegate.core.interrupt import Interruption
from tidegate.routing.attempt import Attempt
from tidegate.routing.fallback_policy import SendTo
from tidegate.routing.health.registry import HealthRegistry

WaitForSlot = Callable[[], Awaitable[bool | None]]
"""Waits for the turn; False where there is no time for it."""


class AttemptRunner:
    """Sends one attempt, and tells the board how it went."""

    def __init__(self, send_to: SendTo, attempt: Attempt, health: HealthRegistry, *, seconds: float | None) -> None:
        """`seconds` is what the call as a whole has left, where the attempt's own clocks may not see to it."""
        self._send_to = send_to
        self._attempt = attempt
        self._health = health
        self._seconds = seconds
        self._is_trial = send_to.is_trial
        self._interruption = Interruption()
        self._is_sent = False
        self._is_slow = False

    async def run(self, wait: WaitForSlot) -> bool:
        """Send it; True once its answer has begun, False where its turn cannot come. Raises TidegateError."""
        ask, board, hear = self._send_to, self._health, self._on_down
        board.add_listener(hear, ask.target, ask.credential)
        try:
            with self._interruption:
                if await wait() is False:
                    return False
                await self._open_attempt()
        except TidegateError as error:
            self._attempt.close()
            if not self._interruption.interrupted or self._is_slow:
                board.note_failure(ask.target, ask.credential, error, trial=self._is_trial, slow=self._is_slow)
                self._is_trial = False
            raise
        else:
            board.note_answer(ask.target, ask.credential, trial=self._is_trial)
            self._is_trial = False
            return True
        finally:
            board.remove_listener(hear)
            if self._is_trial:
                board.release_trial(ask.target)

    async def _open_attempt(self) -> None:
        target, timers = self._send_to.target, self._timers()
        self._is_sent = True
        self._health.note_sent(target)
        try:
            await self._attempt.open()
        finally:
            self._health.note_heard(target, has_answer=self._attempt.first_byte_seconds is not None)
            for timer in timers:
                timer.cancel()

    def _timers(self) -> list[asyncio.TimerHandle]:
        timers: list[asyncio.TimerHandle] = []
        if self._seconds is None and not self._is_trial:
            return timers
        loop = asyncio.get_running_loop()
        if self._seconds is not None:
            timers.append(loop.call_later(self._seconds, self._interruption.interrupt, TotalTimeout()))
        if self._is_trial:
            seconds = self._health.snapshot.breaker(self._send_to.target).trial_seconds
            timers.append(loop.call_later(seconds, self._trial_is_slow))
        return timers

    def _trial_is_slow(self) -> None:
        if self._health.ended_trial_well(self._send_to.target):
            self._is_trial = False
            return
        self._is_slow = True
        self._interruption.interrupt(
            FirstByteTimeout("The upstream had been down, and did not answer in a trial's time.")
        )

    def _on_down(self, error: TidegateError | None, silent: bool) -> None:  # noqa: FBT001  # a callback's fixed form
        if silent or not self._is_sent:
            self._interruption.interrupt(error or TargetDown())
