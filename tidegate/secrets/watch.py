"""Reads all configured secrets again and again, and says which have changed.

One watch serves a replica: the process that starts the workers has it, or the one process that serves alone. It blocks
while a service answers, so its rounds run in a thread. A place that fails leaves the old value in use.
"""

import threading
from collections.abc import Callable, Iterable
from random import Random

import msgspec
import structlog

from tidegate.core.clock import Clock
from tidegate.core.config.secret_errors import SecretError
from tidegate.core.config.secret_reference import ReferredSecret, SecretReference
from tidegate.secrets import schedule
from tidegate.secrets.schedule import SecretState
from tidegate.secrets.sources.reading import SecretReading, is_same

ROUND_SECONDS = 1.0
"""Between two rounds."""

_log = structlog.get_logger("secrets")


class SecretReport(msgspec.Struct, frozen=True):
    """What a read has found."""

    reference: SecretReference
    reading: SecretReading | None
    """What the place holds now instead of another secret; None where a read that was asked for found nothing new."""


class SecretWatch:
    """The watch over the places of secrets."""

    def __init__(
        self,
        secrets: Iterable[ReferredSecret],
        read: Callable[[SecretReference], SecretReading],
        *,
        every: float,
        clock: Clock,
        random: Random,
    ) -> None:
        """Watch the places of `secrets`, which were just read; read those of services `every` so many seconds.

        An environment variable never changes, so it is not watched.
        """
        self._read = read
        self._every = every
        self._clock = clock
        self._random = random
        self._lock = threading.Lock()
        self._texts = {each.reference: each.get_secret_value() for each in secrets if each.reference.kind != "env"}
        now = clock.monotonic()
        self._states = {reference: self._first_state(reference, now) for reference in self._texts}

    def __repr__(self) -> str:
        return f"<SecretWatch: {len(self._states)} places, {sum(bool(s.failures) for s in self._states.values())} fail>"

    @property
    def states(self) -> dict[SecretReference, SecretState]:
        """What is known of each place."""
        return dict(self._states)

    def force(self, reference: SecretReference) -> None:
        """Read a secret in the next round, at most once a minute. Any thread may call this."""
        with self._lock:
            if (state := self._states.get(reference)) is not None:
                self._states[reference] = schedule.forced(state, now=self._clock.monotonic())

    def run_round(self) -> list[SecretReport]:
        """Read what is due; return what is new. Blocks while services answer."""
        looked = (self._look(reference) for reference in sorted(self._states, key=lambda each: each.is_remote))
        return [report for report in looked if report is not None]

    def _look(self, reference: SecretReference) -> SecretReport | None:
        state, now = self._states[reference], self._clock.monotonic()
        if now < state.due_at:
            return None
        nothing_new = SecretReport(reference, None) if state.due_at == state.forced_at else None
        try:
            reading = self._read(reference)
        except SecretError as error:
            self._note_failure(reference, error)
            return nothing_new
        self._note_success(reference, reading.version)
        if is_same(reading.text, self._texts[reference]):
            return nothing_new
        self._texts[reference] = reading.text
        _log.info("a secret has changed", reference=str(reference), version=reading.version)
        return SecretReport(reference, reading)

    def _note_success(self, reference: SecretReference, version: str) -> None:
        with self._lock:
            state, now = self._states[reference], self._clock.monotonic()
            every = self._every if reference.is_remote else schedule.FILE_SECONDS
            self._states[reference] = schedule.after_success(
                state, version, now=now, every=every, chance=self._random.random()
            )
        if state.failures:
            _log.info("a secret can be read again", reference=str(reference), failed_seconds=now - state.failing_since)

    def _note_failure(self, reference: SecretReference, error: SecretError) -> None:
        with self._lock:
            now = self._clock.monotonic()
            every = self._every if reference.is_remote else schedule.FILE_SECONDS
            state = schedule.after_failure(self._states[reference], now=now, every=every, chance=self._random.random())
            due = schedule.is_reminder_due(state, now=now)
            self._states[reference] = schedule.reminded(state, now=now) if due else state
        if due:
            failed_seconds = now - state.failing_since
            tell = _log.error if failed_seconds >= schedule.LOUD_SECONDS else _log.warning
            tell(
                "a secret cannot be read; the old value stays in use",
                reference=str(reference), error=error.name, reason=str(error), failed_seconds=round(failed_seconds),
            )  # fmt: skip

    def _first_state(self, reference: SecretReference, now: float) -> SecretState:
        every = self._every if reference.is_remote else schedule.FILE_SECONDS
        return SecretState(due_at=now + every * self._random.uniform(0.5, 1.0), read_at=now)
