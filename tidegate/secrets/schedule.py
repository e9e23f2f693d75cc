"""When a secret is read again, and when a failure is told again. Pure: times and chance are given."""

import msgspec

FILE_SECONDS = 1.0
"""Between two reads of a file, which cost next to nothing."""
FORCED_SECONDS = 60.0
"""Between two reads of one secret that a refused key caused."""
_JITTER = 0.1
"""By so much of the interval the reads of many replicas spread."""
_FIRST_RETRY_SECONDS = 61.0
"""A service that fails gets less than one call a minute."""
_LONGEST_RETRY_SECONDS = 300.0
_FIRST_REMINDER_SECONDS = 60.0
_REMINDER_GROWTH = 3.0
_LONGEST_REMINDER_SECONDS = 6 * 3600.0
LOUD_SECONDS = 900.0
"""After so long a failure is an error, no warning any more."""


class SecretState(msgspec.Struct, frozen=True):
    """What is known of one secret's place. Times are the monotonic clock's."""

    due_at: float
    """When it is read again."""
    read_at: float
    """When it was last read with success."""
    version: str = ""
    failures: int = 0
    """Reads in a row that failed."""
    failing_since: float = 0.0
    reminded_at: float = 0.0
    forced_at: float = float("-inf")


def after_success(state: SecretState, version: str, *, now: float, every: float, chance: float) -> SecretState:
    """Return the state after a read. `chance` lies between 0 and 1."""
    due_at = now + every * (1 + _JITTER * chance)
    return SecretState(due_at=due_at, read_at=now, version=version, forced_at=state.forced_at)


def after_failure(state: SecretState, *, now: float, every: float, chance: float) -> SecretState:
    """Return the state after a read that failed. The pause doubles up to five minutes; a file is looked at as ever."""
    pause = every if every <= FILE_SECONDS else min(_LONGEST_RETRY_SECONDS, _FIRST_RETRY_SECONDS * 2.0**state.failures)
    return msgspec.structs.replace(
        state,
        due_at=now + pause * (1 + _JITTER * chance),
        failures=state.failures + 1,
        failing_since=state.failing_since if state.failures else now,
    )


def is_reminder_due(state: SecretState, *, now: float) -> bool:
    """Return whether a failure is told now: the first time at once, then at growing intervals."""
    if state.failures <= 1:
        return True
    failed_for = state.reminded_at - state.failing_since
    pause = min(_LONGEST_REMINDER_SECONDS, max(_FIRST_REMINDER_SECONDS, _REMINDER_GROWTH * failed_for))
    return now - state.reminded_at >= pause


def reminded(state: SecretState, *, now: float) -> SecretState:
    """Return the state after a failure was told."""
    return msgspec.structs.replace(state, reminded_at=now)


def forced(state: SecretState, *, now: float) -> SecretState:
    """Return the state after a read was asked for: due now, if the last one that was is a minute ago."""
    if now - state.forced_at < FORCED_SECONDS:
        return state
    return msgspec.structs.replace(state, due_at=now, forced_at=now)
