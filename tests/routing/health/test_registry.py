"""How everything stands is judged from real calls, in force at once, and the same for all replicas."""

from collections.abc import AsyncIterator

import pytest
from structlog.testing import capture_logs

from tests.eventually import wait_until
from tests.routing.health_registries import registry_alone, registry_on
from tidegate.core import errors
from tidegate.core.clock import ManualClock
from tidegate.core.errors import TidegateError
from tidegate.providers.base import Credential
from tidegate.providers.target import Target
from tidegate.routing.health.circuit_breaker import Circuit
from tidegate.routing.health.credential_state import CredentialStatus
from tidegate.routing.health.registry import MAX_REMEMBERED, HealthRegistry
from tidegate.storage.redis import RedisLink

HERE, KEY = Target("openai", "m"), Credential(name="main")


@pytest.fixture
async def replicas(
    redis_link: RedisLink, redis_prefix: str
) -> AsyncIterator[tuple[HealthRegistry, HealthRegistry, ManualClock]]:
    clock = ManualClock()
    async with (
        registry_on(redis_link, redis_prefix, clock, failure_threshold=3) as one,
        registry_on(redis_link, redis_prefix, clock, failure_threshold=3) as other,
    ):
        yield one, other, clock


def fail(board: HealthRegistry, error: TidegateError, times: int = 1) -> None:
    for _ in range(times):
        board.note_failure(HERE, KEY, error)


async def test_failures_open_the_breaker_here_at_once_and_everywhere_soon(
    replicas: tuple[HealthRegistry, HealthRegistry, ManualClock],
) -> None:
    one, other, _ = replicas
    fail(one, errors.UpstreamServerError("No."), 3)
    assert one.snapshot.breaker(HERE).circuit is Circuit.OPEN
    await wait_until(lambda: other.snapshot.breaker(HERE).circuit is Circuit.OPEN)
    one.note_probe(HERE)
    await wait_until(lambda: other.snapshot.breaker(HERE).circuit is Circuit.HALF_OPEN)
    other.note_answer(HERE, KEY, trial=True)
    await wait_until(lambda: one.snapshot.breaker(HERE).circuit is Circuit.CLOSED)
    fail(one, errors.UpstreamServerError("No."), 2)
    assert one.snapshot.breaker(HERE).circuit is Circuit.CLOSED


async def test_only_the_trial_decides_of_a_target_that_may_be_back(
    replicas: tuple[HealthRegistry, HealthRegistry, ManualClock],
) -> None:
    board, _, _ = replicas
    fail(board, errors.UpstreamServerError(), 3)
    board.note_probe(HERE)
    board.note_answer(HERE, KEY)
    fail(board, errors.UpstreamServerError(), 3)
    assert board.snapshot.breaker(HERE).circuit is Circuit.HALF_OPEN
    board.note_failure(HERE, KEY, errors.UpstreamServerError(), trial=True)
    assert board.snapshot.breaker(HERE).circuit is Circuit.OPEN
    board.note_probe(HERE)
    board.note_failure(HERE, KEY, errors.UpstreamRejected(), trial=True)
    assert board.snapshot.breaker(HERE).circuit is Circuit.CLOSED


@pytest.mark.parametrize(
    "error",
    [errors.UpstreamRejected(), errors.InsufficientQuota(), errors.UpstreamRateLimited(), errors.QueueTimeout()],
)
async def test_what_is_not_the_targets_fault_opens_nothing(
    replicas: tuple[HealthRegistry, HealthRegistry, ManualClock], error: TidegateError
) -> None:
    board, _, _ = replicas
    fail(board, error, 10)
    assert board.snapshot.breaker(HERE).circuit is Circuit.CLOSED


async def test_a_bad_credential_is_out_for_all_and_logged_once(
    replicas: tuple[HealthRegistry, HealthRegistry, ManualClock],
) -> None:
    one, other, clock = replicas
    with capture_logs() as logs:
        fail(one, errors.InvalidUpstreamKey("Bad key."))
        fail(other, errors.InvalidUpstreamKey("Bad key."))
        await wait_until(lambda: bool([line for line in logs if line.get("change")]))
        await wait_until(lambda: not (one.is_publishing or other.is_publishing))
    assert [line["change"] for line in logs if "change" in line] == ["credential_out"]
    assert other.snapshot.credential(HERE, KEY).status is CredentialStatus.INVALID
    clock.advance(1.0)
    other.note_good_key("openai/main")
    await wait_until(lambda: one.snapshot.credential(HERE, KEY).status is CredentialStatus.HEALTHY)


async def test_a_rate_limit_is_of_one_model_and_known_to_all(
    replicas: tuple[HealthRegistry, HealthRegistry, ManualClock],
) -> None:
    one, other, clock = replicas
    fail(one, errors.UpstreamRateLimited(retry_after=20.0))
    await wait_until(lambda: other.snapshot.credential(HERE, KEY).status is CredentialStatus.LIMITED)
    assert other.snapshot.credential(HERE, KEY).until == clock.now() + 20
    assert other.snapshot.credential(Target("openai", "other"), KEY).status is CredentialStatus.HEALTHY


async def test_those_who_listen_hear_of_it(replicas: tuple[HealthRegistry, HealthRegistry, ManualClock]) -> None:
    one, other, _ = replicas
    heard: list[tuple[str, bool]] = []

    def hear(error: errors.TidegateError | None, silent: bool) -> None:  # a callback's fixed form
        heard.append((error.name if error else "", silent))

    other.add_listener(hear, HERE, KEY)
    fail(one, errors.InsufficientQuota())
    one.note_silence(HERE, errors.ConnectionFailed())
    await wait_until(lambda: len(heard) == 2)
    other.remove_listener(hear)
    fail(one, errors.InvalidUpstreamKey())
    await wait_until(lambda: other.snapshot.credential(HERE, KEY).status is CredentialStatus.INVALID)
    assert sorted(heard) == [("connection_failed", True), ("insufficient_quota", False)]


async def test_a_claim_is_one_calls_at_a_time(replicas: tuple[HealthRegistry, HealthRegistry, ManualClock]) -> None:
    one, other, clock = replicas
    assert await one.claim("trial openai/m", 60.0)
    assert not await one.claim("trial openai/m", 60.0)
    assert not await other.claim("trial openai/m", 60.0)
    one.release_trial(HERE)
    clock.advance(1.0)
    assert not await one.claim("trial openai/m", 60.0)


async def test_who_comes_later_reads_what_is_known(redis_link: RedisLink, redis_prefix: str) -> None:
    clock = ManualClock()
    async with registry_on(redis_link, redis_prefix, clock, failure_threshold=1) as first:
        fail(first, errors.UpstreamServerError("No."))
        fail(first, errors.InsufficientQuota("No credit."))
    async with registry_on(redis_link, redis_prefix, clock) as later:
        assert later.snapshot.breaker(HERE).circuit is Circuit.OPEN
        assert later.snapshot.credential(HERE, KEY).status is CredentialStatus.OUT_OF_QUOTA


async def test_what_redis_forgot_it_is_told_again(redis_link: RedisLink, redis_prefix: str) -> None:
    async with registry_on(redis_link, redis_prefix, ManualClock(), failure_threshold=1) as board:
        fail(board, errors.UpstreamServerError("No."))
        await wait_until(lambda: not board.is_publishing)
        await redis_link.command("DEL", f"{{{redis_prefix}}}:standing")
        board.resynchronize()
        await wait_until(lambda: not board.is_publishing)
        async with registry_on(redis_link, redis_prefix, ManualClock()) as other:
            assert other.snapshot.breaker(HERE).circuit is Circuit.OPEN


async def test_without_redis_a_process_judges_for_itself() -> None:
    board = registry_alone(ManualClock(), failure_threshold=3)
    with capture_logs() as logs:
        fail(board, errors.UpstreamServerError("No."), 3)
        assert board.snapshot.breaker(HERE).circuit is Circuit.OPEN
        assert await board.claim("probe openai/m", 1.0)
        assert not await board.claim("probe openai/m", 1.0)
        await wait_until(lambda: not board.is_publishing)
    assert [line["change"] for line in logs if "change" in line] == ["target_down"]


async def test_a_trial_that_neither_fails_nor_answers_is_good_news_where_calls_used_to_fail_quickly(
    replicas: tuple[HealthRegistry, HealthRegistry, ManualClock],
) -> None:
    board, _, _ = replicas
    for error, survived in ((errors.UpstreamServerError(), True), (errors.FirstByteTimeout(), False)):
        fail(board, error, 3)
        board.note_probe(HERE)
        assert board.ended_trial_well(HERE) is survived


async def test_a_lane_where_calls_wait_is_avoided_for_a_moment() -> None:
    clock = ManualClock()
    board = registry_alone(clock)
    board.note_failure(HERE, KEY, errors.QueueTimeout(retry_after=90.0))
    assert board.snapshot.busy == {"openai/main/m": clock.now() + 2}
    board.note_busy("openai/main/m", 0.5)
    assert board.snapshot.busy == {"openai/main/m": clock.now() + 0.5}


async def test_callers_may_name_any_number_of_models() -> None:
    clock = ManualClock()
    board = registry_alone(clock)
    for number in range(2 * MAX_REMEMBERED):
        board.note_completed(Target("openai", f"m{number}"))
        board.note_failure(Target("openai", f"m{number}"), KEY, errors.UpstreamRateLimited(retry_after=1.0))
        clock.advance(0.1)
    await wait_until(lambda: not board.is_publishing)
    assert len(list(board.all_traffic())) <= MAX_REMEMBERED
    assert len(board.snapshot.credentials) <= MAX_REMEMBERED + 20


async def test_any_number_of_models_may_fail() -> None:
    clock = ManualClock()
    board = registry_alone(clock)
    board.note_failure(HERE, KEY, errors.InvalidUpstreamKey())
    for number in range(MAX_REMEMBERED + 100):
        for _ in range(5):
            board.note_failure(Target("openai", f"m{number}"), KEY, errors.UpstreamServerError("No."))
        clock.advance(0.1)
    await wait_until(lambda: not board.is_publishing)
    assert len(board.changes()) == MAX_REMEMBERED
    assert len(board.snapshot.breakers) == MAX_REMEMBERED - 1
    assert f"openai/m{MAX_REMEMBERED + 99}" in board.snapshot.breakers
    assert "openai/m0" not in board.snapshot.breakers
    assert board.snapshot.credentials
    board.resynchronize()
    await wait_until(lambda: not board.is_publishing)
