"""One way to do something again and again in the background: supervised, so that one bad round never ends the task.

Whatever has to be renewed, refreshed or looked at from time to time is a `PeriodicTask`:

    renewal = PeriodicTask("flight-leases", self._renew_leases, every=2.0, quiet=(RedisUnavailable,))
    await renewal.start()
    renewal.wake()  # the next round begins now
    await renewal.close()
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

import structlog

from tidegate.core.errors import StoreError, TidegateError

Pause = Callable[[int], float]
"""Return the seconds until the next round, given the number of rounds that failed in a row."""

_log = structlog.get_logger("periodic")


class PeriodicTask:
    """Run one function in rounds, between `start` and `close`.

    A round that raises is over, and the next one comes all the same. The task logs when rounds begin to fail, when
    they fail for another reason, and when they work again; never once per round.
    """

    def __init__(
        self,
        name: str,
        work: Callable[[], Awaitable[None]],
        *,
        every: float | Pause,
        wait_first: bool = False,
        quiet: tuple[type[TidegateError], ...] = (),
    ) -> None:
        """Prepare the task `name`, which awaits `work` in each round.

        `every` is the pause between two rounds, in seconds, or a function that returns it. With `wait_first` a pause
        comes before the first round, too. Errors in `quiet` end a round without a log line. So does a store that is
        away, because its own connection logs that.
        """
        self.name = name
        self._work = work
        self._every = every
        self._wait_first = wait_first
        self._quiet = quiet
        self._failures = 0
        self._reason = ""
        """Why the last round failed; empty while rounds work, and while they fail quietly."""
        self._woken = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def __repr__(self) -> str:
        state = f"{self._failures} rounds failed" if self._failures else "well"
        return f"<PeriodicTask {self.name}: {state}>"

    async def start(self) -> None:
        """Begin, in the background."""
        self._task = asyncio.create_task(self._rounds(), name=self.name)

    async def close(self) -> None:
        """Stop; a round in progress is cancelled. Does nothing before `start`."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    def wake(self) -> None:
        """Begin the next round now, or as soon as the present one is over."""
        self._woken.set()

    async def run_round(self) -> bool:
        """Run one round under supervision; return whether it succeeded."""
        try:
            await self._work()
        except asyncio.CancelledError:
            if _being_cancelled():
                raise
            self._note_failure("CancelledError", None)  # something that the round awaited was cancelled, not the task
            return False
        except self._quiet:
            self._failures += 1
            return False
        except TidegateError as error:
            if isinstance(error, StoreError) and error.is_outage:
                self._failures += 1
            else:
                self._note_failure(error.name, error)
            return False
        except Exception as error:  # noqa: BLE001  # a defect in one round must not end the task for good
            self._note_failure(type(error).__name__, error)
            return False
        self._note_success()
        return True

    async def _rounds(self) -> None:
        if self._wait_first:
            await self._pause()
        while True:
            await self.run_round()
            await self._pause()

    async def _pause(self) -> None:
        seconds = self._every(self._failures) if callable(self._every) else self._every
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._woken.wait()
        self._woken.clear()

    def _note_failure(self, reason: str, error: BaseException | None) -> None:
        self._failures += 1
        if reason == self._reason:
            return
        self._reason = reason
        if isinstance(error, TidegateError):
            _log.warning("periodic task fails and will retry", task=self.name, error=reason, reason=error.message)
        else:
            _log.error("periodic task fails and will retry", task=self.name, error=reason, exc_info=error)

    def _note_success(self) -> None:
        self._failures = 0
        if self._reason:
            self._reason = ""
            _log.info("periodic task works again", task=self.name)


def _being_cancelled() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
