"""Calls that wait while one call tries a target that may be back: they are told when its trial ends."""

import asyncio
import contextlib

from tidegate.routing.health.circuit_breaker import TRIAL_SECONDS

MAX_WAIT_SECONDS = TRIAL_SECONDS + 1.0
"""For which a call waits for trials, in all; a trial that fails slowly may take longer."""


class TrialWaits:
    """The waits of one process, by target."""

    def __init__(self) -> None:
        """Begin with none."""
        self._ends: dict[str, asyncio.Event] = {}

    async def wait(self, target: str, seconds: float) -> None:
        """Return when the trial of this target ends, or after this time."""
        end = self._ends.setdefault(target, asyncio.Event())
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await end.wait()

    def end(self, target: str) -> None:
        """Wake the calls that wait for this target: its trial ended, with or without a result."""
        end = self._ends.pop(target, None)
        if end is not None:
            end.set()
