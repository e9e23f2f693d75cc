"""How everything stands is judged from real calls, in force at once, and the same for all replicas."""

from collections.abc import AsyncIterator

import pytest
from structlog.testing import capture_logs

from tests.eventually import until
from tests.routing.boards import board_alone, board_on
from tidegate.core import errors
from tidegate.core.clock import ManualClock
from tidegate.core.errors import TidegateError
from tidegate.providers.base import Credential
from tidegate.providers.target import Target
from tidegate.routing.health.circuit_breaker import Circuit
from tidegate.routing.health.credential_state import Standing
from tidegate.routing.health.registry import MOST_KEPT, Board
from tidegate.storage.redis import RedisLink

HERE, KEY = Target("openai", "m"), Credential(name="main")


@pytest.fixture
async def replicas(redis_link: RedisLink, redis_prefix: str) -> AsyncIterator[tuple[Board, Board, ManualClock]]:
    clock = ManualClock()
    async with (
        board_on(redis_link, redis_prefix, clock, failures=3) as one,
        board_on(redis_link, redis_prefix, clock, failures=3) as other,
    ):
        yield one, other, clock


def fail(board: Board, error: TidegateError, times: int = 1) -> None:
    for _ in range(times):
        board.failed(HERE, KEY, error)


async def test_failures_open_the_breaker_here_at_once_and_everywhere_soon(
    replicas: tuple[Board, Board, ManualClock],
) -> None:
    one, other, _ = replicas
    fail(one, errors.ServerFailure("No."), 3)
    assert one.standings.breaker(HERE).circuit is Circuit.OPEN
    await until(lambda: other.standings.breaker(HERE).circuit is Circuit.OPEN)
    one.probed(HERE)
    await until(lambda: other.standings.breaker(HERE).circuit is Circuit.HALF_OPEN)
    other.answered(HERE, KEY, trial=True)
    await until(lambda: one.standings.breaker(HERE).circuit is Circuit.CLOSED)
    fail(one, errors.ServerFailure("No."), 2)
    assert one.standings.breaker(HERE).circuit is Circuit.CLOSED


async def test_only_the_trial_decides_of_a_target_that_may_be_back(replicas: tuple[Board, Board, ManualClock]) -> None:
    board, _, _ = replicas
    fail(board, errors.ServerFailure(), 3)
    board.probed(HERE)
    board.answered(HERE, KEY)
    fail(board, errors.ServerFailure(), 3)
    assert board.standings.breaker(HERE).circuit is Circuit.HALF_OPEN
    board.failed(HERE, KEY, errors.ServerFailure(), trial=True)
    assert board.standings.breaker(HERE).circuit is Circuit.OPEN
    board.probed(HERE)
    board.failed(HERE, KEY, errors.UpstreamRejected(), trial=True)
    assert board.standings.breaker(HERE).circuit is Circuit.CLOSED


@pytest.mark.parametrize(
    "error", [errors.UpstreamRejected(), errors.OutOfQuota(), errors.RateLimited(), errors.QueueTimeout()]
)
async def test_what_is_not_the_targets_fault_opens_nothing(
    replicas: tuple[Board, Board, ManualClock], error: TidegateError
) -> None:
    board, _, _ = replicas
    fail(board, error, 10)
    assert board.standings.breaker(HERE).circuit is Circuit.CLOSED


async def test_a_bad_credential_is_out_for_all_and_alerts_once(replicas: tuple[Board, Board, ManualClock]) -> None:
    one, other, clock = replicas
    with capture_logs() as logs:
        fail(one, errors.InvalidUpstreamKey("Bad key."))
        fail(other, errors.InvalidUpstreamKey("Bad key."))
        await until(lambda: bool([line for line in logs if line.get("alert")]))
        await until(lambda: not (one.telling or other.telling))
    assert [line["alert"] for line in logs if "alert" in line] == ["credential_out"]
    assert other.standings.credential(HERE, KEY).standing is Standing.INVALID
    clock.advance(1.0)
    other.key_is_good("openai/main")
    await until(lambda: one.standings.credential(HERE, KEY).standing is Standing.HEALTHY)


async def test_a_rate_limit_is_of_one_model_and_known_to_all(replicas: tuple[Board, Board, ManualClock]) -> None:
    one, other, clock = replicas
    fail(one, errors.RateLimited(retry_after=20.0))
    await until(lambda: other.standings.credential(HERE, KEY).standing is Standing.LIMITED)
    assert other.standings.credential(HERE, KEY).until == clock.now() + 20
    assert other.standings.credential(Target("openai", "other"), KEY).standing is Standing.HEALTHY


async def test_those_who_listen_hear_of_it(replicas: tuple[Board, Board, ManualClock]) -> None:
    one, other, _ = replicas
    heard: list[tuple[str, bool]] = []

    def hear(error: errors.TidegateError | None, silent: bool) -> None:  # a callback's fixed form
        heard.append((error.name if error else "", silent))

    other.listen(hear, HERE, KEY)
    fail(one, errors.OutOfQuota())
    one.silent(HERE, errors.ConnectionFailed())
    await until(lambda: len(heard) == 2)
    other.ignore(hear)
    fail(one, errors.InvalidUpstreamKey())
    await until(lambda: other.standings.credential(HERE, KEY).standing is Standing.INVALID)
    assert sorted(heard) == [("connection", True), ("out_of_quota", False)]


async def test_a_claim_is_one_calls_at_a_time(replicas: tuple[Board, Board, ManualClock]) -> None:
    one, other, clock = replicas
    assert await one.claim("trial openai/m", 60.0)
    assert not await one.claim("trial openai/m", 60.0)
    assert not await other.claim("trial openai/m", 60.0)
    one.gave_up(HERE)
    clock.advance(1.0)
    assert not await one.claim("trial openai/m", 60.0)


async def test_who_comes_later_reads_what_is_known(redis_link: RedisLink, redis_prefix: str) -> None:
    clock = ManualClock()
    async with board_on(redis_link, redis_prefix, clock, failures=1) as first:
        fail(first, errors.ServerFailure("No."))
        fail(first, errors.OutOfQuota("No credit."))
    async with board_on(redis_link, redis_prefix, clock) as later:
        assert later.standings.breaker(HERE).circuit is Circuit.OPEN
        assert later.standings.credential(HERE, KEY).standing is Standing.OUT_OF_QUOTA


async def test_what_redis_forgot_it_is_told_again(redis_link: RedisLink, redis_prefix: str) -> None:
    async with board_on(redis_link, redis_prefix, ManualClock(), failures=1) as board:
        fail(board, errors.ServerFailure("No."))
        await until(lambda: not board.telling)
        await redis_link.command("DEL", f"{{{redis_prefix}}}:standing")
        board.missed()
        await until(lambda: not board.telling)
        async with board_on(redis_link, redis_prefix, ManualClock()) as other:
            assert other.standings.breaker(HERE).circuit is Circuit.OPEN


async def test_without_redis_a_process_judges_for_itself() -> None:
    board = board_alone(ManualClock(), failures=3)
    with capture_logs() as logs:
        fail(board, errors.ServerFailure("No."), 3)
        assert board.standings.breaker(HERE).circuit is Circuit.OPEN
        assert await board.claim("probe openai/m", 1.0)
        assert not await board.claim("probe openai/m", 1.0)
        await until(lambda: not board.telling)
    assert [line["alert"] for line in logs if "alert" in line] == ["target_down"]


async def test_a_trial_that_neither_fails_nor_answers_is_good_news_where_calls_used_to_fail_quickly(
    replicas: tuple[Board, Board, ManualClock],
) -> None:
    board, _, _ = replicas
    for error, survived in ((errors.ServerFailure(), True), (errors.FirstByteTimeout(), False)):
        fail(board, error, 3)
        board.probed(HERE)
        assert board.trial_survived(HERE) is survived


async def test_a_lane_where_calls_wait_is_avoided_for_a_moment() -> None:
    clock = ManualClock()
    board = board_alone(clock)
    board.failed(HERE, KEY, errors.QueueTimeout(retry_after=90.0))
    assert board.standings.busy == {"openai/main/m": clock.now() + 2}
    board.busy("openai/main/m", 0.5)
    assert board.standings.busy == {"openai/main/m": clock.now() + 0.5}


async def test_callers_may_name_any_number_of_models() -> None:
    clock = ManualClock()
    board = board_alone(clock)
    for number in range(2 * MOST_KEPT):
        board.completed(Target("openai", f"m{number}"))
        board.failed(Target("openai", f"m{number}"), KEY, errors.RateLimited(retry_after=1.0))
        clock.advance(0.1)
    await until(lambda: not board.telling)
    assert len(list(board.all_traffic())) <= MOST_KEPT
    assert len(board.standings.credentials) <= MOST_KEPT + 20
