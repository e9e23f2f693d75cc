"""Run one attempt: wait for its slot, send it, and report to the health registry whether it was answered.

`UpstreamCall` makes a runner for each attempt. The runner stops waiting once that has become useless: where the target
goes down or the credential is disabled while the call waits for its slot, and where the target is silent altogether
while the call waits for its answer.
"""

import asyncio
from collections.abc import Awaitable, Callable

from tidegate.core.errors import (
    FirstByteTimeout,
    SlowDown,
    TargetDown,
    TidegateError,
    TotalTimeout,
    UpstreamRateLimited,
)
from tidegate.core.process.interrupt import Interruption
from tidegate.routing.attempt import Attempt
from tidegate.routing.fallback_policy import SendTo
from tidegate.routing.health.registry import HealthRegistry

WaitForSlot = Callable[[], Awaitable[bool | None]]
"""Waits for the slot; returns False where there is no time for it."""


class AttemptRunner:
    """Sends one attempt, and reports to the health registry how it went."""

    def __init__(self, send_to: SendTo, attempt: Attempt, health: HealthRegistry, *, seconds: float | None) -> None:
        """Prepare the run; `seconds` is what is left of the call's total time, None where the transport enforces it."""
        self._send_to = send_to
        self._attempt = attempt
        self._health = health
        self._seconds = seconds
        self._is_trial = send_to.is_trial
        self._interruption = Interruption()
        self._is_sent = False
        self._is_slow = False

    async def run(self, wait: WaitForSlot) -> bool:
        """Send it; return True once its answer has begun, False without a slot in time. Raises TidegateError."""
        send_to, health, on_down = self._send_to, self._health, self._on_down
        health.add_listener(on_down, send_to.target, send_to.credential)
        try:
            with self._interruption:
                if await wait() is False:
                    return False
                await self._open_attempt()
        except TidegateError as error:
            self._attempt.close()
            if (not self._interruption.interrupted or self._is_slow) and not self._is_own_refusal(error):
                health.note_failure(send_to.target, send_to.credential, error, trial=self._is_trial, slow=self._is_slow)
                self._is_trial = False
            raise
        else:
            health.note_answer(send_to.target, send_to.credential, trial=self._is_trial)
            self._is_trial = False
            return True
        finally:
            health.remove_listener(on_down)
            if self._is_trial:
                health.release_trial(send_to.target)

    def _is_own_refusal(self, error: TidegateError) -> bool:
        """Return whether this is a rate limit that concerns this call or its project only."""
        is_rate_limit = isinstance(error, UpstreamRateLimited | SlowDown)
        return is_rate_limit and self._attempt.slot.is_isolated_refusal and not self._is_trial

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
            FirstByteTimeout("The upstream had been down, and did not answer within the time of a trial.")
        )

    def _on_down(self, error: TidegateError | None, silent: bool) -> None:  # noqa: FBT001  # a callback's fixed form
        if silent or not self._is_sent:
            self._interruption.interrupt(error or TargetDown())
