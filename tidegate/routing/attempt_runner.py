"""Tell the health registry how an attempt went, and stop waiting for it once that has become useless.

That is where the target goes down or the credential is disabled while the call waits for its slot, and where the target
is silent altogether while the call waits for its answer. `UpstreamCall` sends an attempt at once; a `FallbackSearch`
has it wait for its slot and a connection.
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
    """One attempt and the health registry. After `send_at_once`, end it by one of the `note` methods or `stop`."""

    def __init__(self, send_to: SendTo, attempt: Attempt, health: HealthRegistry) -> None:
        self._send_to = send_to
        self._attempt = attempt
        self._health = health
        self._is_trial = bool(send_to.claim) and send_to.is_trial
        self._interruption: Interruption | None = None
        self._is_listening = False
        self._is_sent = False
        self._is_interrupted = False
        self._is_slow = False

    def send_at_once(self) -> bool:
        """Send it if slot and connection are free now; return whether it was sent."""
        if self._attempt.send_at_once():
            self._listen()
            self._note_sent()
        return self._is_sent

    async def run(self, wait: WaitForSlot, *, seconds: float | None) -> bool:
        """Send it; return True once its answer has begun, False without a slot in time. Raises TidegateError.

        `seconds` is what is left of the call's total time, None where the transport enforces it.
        """
        self._listen()
        self._interruption = Interruption()
        try:
            with self._interruption:
                if await wait() is False:
                    return False
                await self._open_attempt(seconds)
        except TidegateError as error:
            self.note_failure(error)
            raise
        else:
            self.note_answer()
            return True
        finally:
            self.stop()

    def note_answer(self) -> None:
        """Note that the answer has begun."""
        self._end_listening()
        self._health.note_answer(self._send_to.target, self._send_to.credential, trial=self._is_trial)
        self._is_trial = False

    def note_failure(self, error: TidegateError) -> None:
        """Note that it failed, and cut the connection. What the client's leaving caused is no failure."""
        self._attempt.close()
        self._end_listening()
        was_useless = self._is_interrupted and not self._is_slow
        if not was_useless and not self._attempt.is_left and not self._is_own_refusal(error):
            target, credential = self._send_to.target, self._send_to.credential
            self._health.note_failure(target, credential, error, trial=self._is_trial, slow=self._is_slow)
            self._is_trial = False
        self.stop()

    def stop(self) -> None:
        """Listen no more, however it ended. May be called again."""
        self._end_listening()
        if self._is_trial:
            self._is_trial = False
            self._health.release_trial(self._send_to.target)

    def _end_listening(self) -> None:
        if not self._is_listening:
            return
        self._is_listening = False
        self._health.remove_listener(self._on_down)
        if self._is_sent:
            self._health.note_heard(self._send_to.target, has_answer=self._attempt.first_byte_seconds is not None)

    def _listen(self) -> None:
        self._is_listening = True
        self._health.add_listener(self._on_down, self._send_to.target, self._send_to.credential)

    def _note_sent(self) -> None:
        self._is_sent = True
        self._health.note_sent(self._send_to.target)

    def _is_own_refusal(self, error: TidegateError) -> bool:
        """Return whether this is a rate limit that concerns this call or its project only."""
        is_rate_limit = isinstance(error, UpstreamRateLimited | SlowDown)
        return is_rate_limit and self._attempt.slot.is_isolated_refusal and not self._is_trial

    async def _open_attempt(self, seconds: float | None) -> None:
        timers = self._timers(seconds)
        self._note_sent()
        try:
            await self._attempt.open()
        except TidegateError:
            if self._attempt.is_left:  # whatever fails then is no failure of the upstream, and nothing else is tried
                raise asyncio.CancelledError from None
            raise
        finally:
            for timer in timers:
                timer.cancel()

    def _timers(self, seconds: float | None) -> list[asyncio.TimerHandle]:
        timers: list[asyncio.TimerHandle] = []
        loop = asyncio.get_running_loop()
        if seconds is not None:
            timers.append(loop.call_later(seconds, self._interrupt, TotalTimeout()))
        if self._is_trial:
            seconds = self._health.snapshot.breaker(self._send_to.target).trial_seconds
            timers.append(loop.call_later(seconds, self._trial_is_slow))
        return timers

    def _trial_is_slow(self) -> None:
        if self._health.ended_trial_well(self._send_to.target):
            self._is_trial = False
            return
        self._is_slow = True
        self._interrupt(FirstByteTimeout("The upstream had been down, and did not answer within the time of a trial."))

    def _on_down(self, error: TidegateError | None, silent: bool) -> None:  # noqa: FBT001  # a callback's fixed form
        if silent or not self._is_sent:
            self._interrupt(error or TargetDown())

    def _interrupt(self, error: TidegateError) -> None:
        """End the waiting: of the task that runs it, or of whichever caller reads its answer."""
        self._is_interrupted = True
        if self._interruption is not None:
            self._interruption.interrupt(error)
        else:
            self._attempt.interrupt(error)
