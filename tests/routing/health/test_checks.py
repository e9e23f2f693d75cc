"""Free probes find out when a target or a key is good again, and when a silent target is dead."""

import contextlib
from collections.abc import AsyncIterator
from random import Random
from typing import NamedTuple

import pytest
from structlog.testing import capture_logs

from tests.eventually import wait_until
from tests.routing.fake_provider import FakeProvider
from tests.routing.health_registries import registry_on
from tidegate.core import errors
from tidegate.core.clock import ManualClock
from tidegate.core.errors import TidegateError
from tidegate.providers.base import Credential
from tidegate.providers.target import Target
from tidegate.routing.health.checks import KEY_CHECK_SECONDS, MIN_UNANSWERED, SILENCE_SECONDS, HealthChecks
from tidegate.routing.health.circuit_breaker import Circuit
from tidegate.routing.health.credential_state import CredentialStatus
from tidegate.routing.health.registry import HealthRegistry
from tidegate.storage.redis import RedisLink

_JITTER = Random(1)  # noqa: S311  # jitter is no secret

HERE, KEY = Target("openai", "m"), Credential(name="main")


class CheckedRegistry(NamedTuple):
    """A replica that looks, and what it looks at."""

    board: HealthRegistry
    probing: HealthChecks
    provider: FakeProvider
    clock: ManualClock


@contextlib.asynccontextmanager
async def checks_on(link: RedisLink, prefix: str) -> AsyncIterator[CheckedRegistry]:
    clock, provider = ManualClock(), FakeProvider("openai", "main", "spare")
    async with registry_on(link, prefix, clock, failure_threshold=1) as board:
        yield CheckedRegistry(
            board,
            HealthChecks(board, {"openai": provider}, clock=clock, random=_JITTER),
            provider,
            clock,
        )


@pytest.fixture
async def checked(redis_link: RedisLink, redis_prefix: str) -> AsyncIterator[CheckedRegistry]:
    async with checks_on(redis_link, redis_prefix) as checked:
        yield checked


@pytest.mark.parametrize(
    ("said", "circuit"),
    [
        (None, Circuit.HALF_OPEN),
        (errors.InvalidUpstreamKey(), Circuit.HALF_OPEN),
        (errors.UpstreamNotFound(), Circuit.HALF_OPEN),
        (errors.UpstreamServerError(), Circuit.HALF_OPEN),
        (errors.ConnectionFailed(), Circuit.OPEN),
        (errors.FirstByteTimeout(), Circuit.OPEN),
    ],
)
async def test_a_target_that_says_anything_may_be_tried(
    checked: CheckedRegistry, said: TidegateError | None, circuit: Circuit
) -> None:
    checked.board.note_failure(HERE, KEY, errors.UpstreamServerError())
    checked.provider.probe_results = [said]
    await checked.probing.check_all()
    assert checked.board.snapshot.breaker(HERE).circuit is circuit
    assert checked.provider.probes == ["main"]


async def test_what_is_well_is_left_alone(checked: CheckedRegistry) -> None:
    checked.board.note_answer(HERE, KEY)
    await checked.probing.check_all()
    assert checked.provider.probes == []


async def test_of_all_replicas_one_looks_at_a_time(redis_link: RedisLink, redis_prefix: str) -> None:
    async with checks_on(redis_link, redis_prefix) as one, checks_on(redis_link, redis_prefix) as other:
        for each in (one, other):
            each.provider.probe_results = [errors.ConnectionFailed()]
            each.board.note_failure(HERE, KEY, errors.UpstreamServerError())
        for each in (one, other, one, other):
            await each.probing.check_all()
        assert len(one.provider.probes) + len(other.provider.probes) == 1


async def test_a_refused_key_is_looked_at_by_itself_until_it_is_good(checked: CheckedRegistry) -> None:
    checked.board.note_failure(HERE, KEY, errors.InvalidUpstreamKey())
    checked.provider.probe_results = [errors.InvalidUpstreamKey(), None]
    await checked.probing.check_all()
    await checked.probing.check_all()
    assert checked.provider.probes == ["main"]
    assert checked.board.snapshot.credential(HERE, KEY).status is CredentialStatus.INVALID


async def test_a_good_key_is_used_again(checked: CheckedRegistry) -> None:
    checked.board.note_failure(HERE, KEY, errors.InvalidUpstreamKey())
    await checked.probing.check_all()
    assert checked.board.snapshot.credential(HERE, KEY).status is CredentialStatus.HEALTHY
    assert KEY_CHECK_SECONDS > 1


async def test_an_empty_account_costs_no_probe(checked: CheckedRegistry) -> None:
    checked.board.note_failure(HERE, KEY, errors.InsufficientQuota())
    await checked.probing.check_all()
    assert checked.provider.probes == []


async def test_a_target_is_looked_at_with_a_key_that_is_not_known_to_be_bad(checked: CheckedRegistry) -> None:
    checked.board.note_failure(HERE, KEY, errors.InsufficientQuota())
    checked.board.note_failure(HERE, KEY, errors.UpstreamServerError())
    await checked.probing.check_all()
    assert checked.provider.probes == ["spare"]


async def test_a_target_that_owes_answers_and_is_out_of_reach_is_down(checked: CheckedRegistry) -> None:
    board, probing, provider, clock = checked
    provider.probe_results = [errors.ConnectionFailed()]
    for _ in range(MIN_UNANSWERED):
        board.note_sent(HERE)
    await probing.check_all()
    assert provider.probes == []
    for circuit in (Circuit.CLOSED, Circuit.OPEN):
        clock.advance(SILENCE_SECONDS + 1)
        await RedisClaims(board).forget()
        await probing.check_all()
        assert board.snapshot.breaker(HERE).circuit is circuit
    assert board.snapshot.breaker(HERE).unreachable


async def test_a_target_that_takes_its_time_is_not_down(checked: CheckedRegistry) -> None:
    board, probing, provider, clock = checked
    for _ in range(MIN_UNANSWERED):
        board.note_sent(HERE)
    for _ in range(4):
        clock.advance(SILENCE_SECONDS + 1)
        await RedisClaims(board).forget()
        await probing.check_all()
    assert board.snapshot.breaker(HERE).circuit is Circuit.CLOSED
    board.note_heard(HERE)
    clock.advance(SILENCE_SECONDS + 1)
    probes = len(provider.probes)
    await probing.check_all()
    assert len(provider.probes) == probes


async def test_a_server_that_does_one_thing_at_a_time_is_busy_not_dead(checked: CheckedRegistry) -> None:
    board, probing, provider, clock = checked
    provider.probe_results = [errors.FirstByteTimeout()]
    for _ in range(MIN_UNANSWERED - 1):
        board.note_sent(HERE)
    clock.advance(60.0)
    await probing.check_all()
    assert provider.probes == []


async def test_callers_who_give_up_are_no_word_from_the_target(checked: CheckedRegistry) -> None:
    board, probing, provider, clock = checked
    for _ in range(MIN_UNANSWERED + 1):
        board.note_sent(HERE)
    clock.advance(SILENCE_SECONDS + 1)
    board.note_heard(HERE, has_answer=False)
    await probing.check_all()
    assert provider.probes == ["main"]


async def test_a_round_that_fails_is_logged_once_and_the_next_one_runs(checked: CheckedRegistry) -> None:
    checked.board.note_failure(HERE, KEY, errors.UpstreamServerError())
    defects = [RuntimeError("a defect")]

    async def probe(credential: Credential) -> None:
        checked.provider.probes.append(credential.name)
        checked.clock.advance(60.0)
        if defects:
            raise defects.pop()

    checked.provider.probe = probe  # type: ignore[method-assign]  # a provider with a defect
    with capture_logs() as logs:
        await checked.probing.start()
        await wait_until(lambda: checked.board.snapshot.breaker(HERE).circuit is Circuit.HALF_OPEN)
        await checked.probing.close()
    failures = [line for line in logs if line["event"] == "periodic task fails and will retry"]
    assert [line["task"] for line in failures] == ["health-checks"]
    assert len(checked.provider.probes) == 2


class RedisClaims:
    """Redis keeps a claim by its own clock, which no test holds."""

    def __init__(self, board: HealthRegistry) -> None:
        self._board = board

    async def forget(self) -> None:
        await self._board.store.release_claim(f"probe {HERE.name}")
