"""A secret is read again in time, a dead place is asked ever less often, and its failure is told ever less often."""

import itertools

from tidegate.secrets import schedule
from tidegate.secrets.schedule import SecretState

HOUR = 3600.0
START = SecretState(due_at=0.0, read_at=0.0)


def reads_in(seconds: float, *, every: float, fails: bool, chance: float) -> tuple[int, list[float]]:
    """Return how often a place is read in a time, and when a failure is told."""
    state, now, reads, told = START, 0.0, 0, []
    while (now := state.due_at) < seconds:
        reads += 1
        if not fails:
            state = schedule.after_success(state, "1", now=now, every=every, chance=chance)
            continue
        state = schedule.after_failure(state, now=now, every=every, chance=chance)
        if schedule.is_reminder_due(state, now=now):
            told.append(now)
            state = schedule.reminded(state, now=now)
    return reads, told


def test_a_billed_place_is_read_at_most_thirteen_times_an_hour() -> None:
    assert [reads_in(HOUR, every=300.0, fails=False, chance=chance)[0] for chance in (0.0, 0.5, 1.0)] == [12, 12, 11]


def test_a_dead_place_gets_less_than_a_call_a_minute_and_its_warnings_grow_apart() -> None:
    reads, told = reads_in(HOUR, every=300.0, fails=True, chance=0.5)
    assert reads < 60
    pauses = [later - earlier for earlier, later in itertools.pairwise(told)]
    assert told[0] == 0.0
    assert len(told) >= 3
    assert pauses == sorted(pauses)


def test_a_file_that_cannot_be_read_is_looked_at_as_ever() -> None:
    reads, told = reads_in(60.0, every=schedule.FILE_SECONDS, fails=True, chance=0.0)
    assert reads == 60
    assert len(told) == 1


def test_a_read_that_a_refused_key_asks_for_comes_at_once_and_once_a_minute() -> None:
    state = schedule.after_success(START, "1", now=1000.0, every=300.0, chance=0.0)
    asked = schedule.forced(state, now=1010.0)
    assert asked.due_at == 1010.0
    read = schedule.after_success(asked, "1", now=1010.0, every=300.0, chance=0.0)
    assert schedule.forced(read, now=1060.0) == read
    assert schedule.forced(read, now=1070.0).due_at == 1070.0


def test_a_read_that_succeeds_forgets_the_failures() -> None:
    failed = schedule.after_failure(START, now=5.0, every=300.0, chance=0.0)
    assert (failed.failures, failed.failing_since) == (1, 5.0)
    assert schedule.after_success(failed, "2", now=70.0, every=300.0, chance=0.0).failures == 0
