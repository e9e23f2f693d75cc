"""A periodic task outlives every bad round, and says so once."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from structlog.testing import capture_logs

from tests.eventually import wait_until
from tidegate.core.errors import PostgresUnavailable, RedisUnavailable, TidegateError
from tidegate.core.periodic import PeriodicTask

LONG = 3600.0


class Rounds:
    """Work that raises, in each round, the error planned for it."""

    def __init__(self, *planned: BaseException | None) -> None:
        self.planned = list(planned)
        self.count = 0

    async def run(self) -> None:
        """Count the round, and raise if the plan says so."""
        self.count += 1
        error = self.planned.pop(0) if self.planned else None
        if error is not None:
            raise error


async def test_rounds_follow_one_another() -> None:
    rounds = Rounds()
    task = PeriodicTask("test", rounds.run, every=0.0)
    await task.start()
    await wait_until(lambda: rounds.count >= 3)
    await task.close()


async def test_a_task_that_waits_first_begins_when_it_is_woken() -> None:
    rounds = Rounds()
    task = PeriodicTask("test", rounds.run, every=LONG, wait_first=True)
    await task.start()
    assert rounds.count == 0
    task.wake()
    await wait_until(lambda: rounds.count == 1)
    await task.close()


@pytest.mark.parametrize(
    ("error", "level"),
    [
        (ZeroDivisionError("a defect"), "error"),
        (PostgresUnavailable("refused").as_refusal(), "warning"),
        (asyncio.CancelledError(), "error"),
    ],
)
async def test_a_bad_round_is_logged_once_and_the_next_one_comes(error: BaseException, level: str) -> None:
    rounds = Rounds(error)
    task = PeriodicTask("test", rounds.run, every=0.0)
    with capture_logs() as logs:
        await task.start()
        await wait_until(lambda: rounds.count >= 3)
        await task.close()
    assert [(line["event"], line["log_level"]) for line in logs] == [
        ("periodic task fails and will retry", level),
        ("periodic task works again", "info"),
    ]
    assert logs[0]["task"] == "test"


async def test_a_store_that_is_away_is_logged_by_its_own_connection_alone() -> None:
    rounds = Rounds(PostgresUnavailable(), RedisUnavailable(), None)
    task = PeriodicTask("test", rounds.run, every=LONG)
    with capture_logs() as logs:
        assert [await task.run_round() for _ in range(3)] == [False, False, True]
    assert logs == []


async def test_a_reason_is_logged_when_it_changes_and_not_again_while_it_lasts() -> None:
    task = PeriodicTask(
        "test", Rounds(ValueError(), ValueError(), KeyError(), PostgresUnavailable().as_refusal(), None).run, every=LONG
    )
    with capture_logs() as logs:
        results = [await task.run_round() for _ in range(5)]
    assert results == [False, False, False, False, True]
    assert [line.get("error") for line in logs] == ["ValueError", "KeyError", PostgresUnavailable.name, None]


async def test_a_quiet_error_ends_a_round_without_a_line() -> None:
    task = PeriodicTask("test", Rounds(RedisUnavailable(), None).run, every=LONG, quiet=(RedisUnavailable,))
    with capture_logs() as logs:
        assert [await task.run_round(), await task.run_round()] == [False, True]
    assert logs == []


async def test_the_pause_may_grow_with_each_failure() -> None:
    asked: list[int] = []

    def pause(failures: int) -> float:
        asked.append(failures)
        return 0.0

    rounds = Rounds(ValueError(), TidegateError(), None)
    task = PeriodicTask("test", rounds.run, every=pause)
    await task.start()
    await wait_until(lambda: rounds.count >= 4)
    await task.close()
    assert asked[:3] == [1, 2, 0]


async def test_closing_ends_a_round_in_progress() -> None:
    begun, ended = asyncio.Event(), asyncio.Event()

    async def wait_for_ever() -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    task = PeriodicTask("test", wait_for_ever, every=LONG)
    await task.start()
    await begun.wait()
    await task.close()
    assert ended.is_set()


async def test_closing_a_task_that_never_started_does_nothing() -> None:
    await PeriodicTask("test", Rounds().run, every=LONG).close()


@pytest.mark.parametrize(("failed", "shown"), [(0, "well"), (2, "2 rounds failed")])
async def test_a_task_shows_how_it_is(failed: int, shown: str) -> None:
    work: Callable[[], Awaitable[None]] = Rounds(*[ValueError()] * failed).run
    task = PeriodicTask("leases", work, every=LONG)
    for _ in range(failed):
        await task.run_round()
    assert repr(task) == f"<PeriodicTask leases: {shown}>"
