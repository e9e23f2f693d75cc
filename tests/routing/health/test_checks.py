"""Free probes find out when a target or a key is good again, and when a silent target is dead."""

import contextlib
from collections.abc import AsyncIterator
from random import Random
from typing import NamedTuple

import pytest

from tests.eventually import until
from tests.routing.boards import board_on
from tests.routing.played import PlayedProvider
from tidegate.core import errors
from tidegate.core.clock import ManualClock
from tidegate.core.errors import TidegateError
from tidegate.providers.base import Credential
from tidegate.providers.target import Target
from tidegate.routing.health.checks import KEY_SECONDS, OWED, SILENCE, Probing
from tidegate.routing.health.circuit_breaker import Circuit
from tidegate.routing.health.credential_state import Standing
from tidegate.routing.health.registry import Board
from tidegate.storage.redis import RedisLink

HERE, KEY = Target("openai", "m"), Credential(name="main")


class Looked(NamedTuple):
    """A replica that looks, and what it looks at."""

    board: Board
    probing: Probing
    provider: PlayedProvider
    clock: ManualClock


@contextlib.asynccontextmanager
async def looking(link: RedisLink, prefix: str) -> AsyncIterator[Looked]:
    clock, provider = ManualClock(), PlayedProvider("openai", "main", "spare")
    async with board_on(link, prefix, clock, failures=1) as board:
        yield Looked(board, Probing(board, {"openai": provider}, clock=clock, random=Random(1)), provider, clock)  # noqa: S311  # jitter is no secret


@pytest.fixture
async def looked(redis_link: RedisLink, redis_prefix: str) -> AsyncIterator[Looked]:
    async with looking(redis_link, redis_prefix) as looked:
        yield looked


@pytest.mark.parametrize(
    ("said", "circuit"),
    [
        (None, Circuit.HALF_OPEN),
        (errors.InvalidUpstreamKey(), Circuit.HALF_OPEN),
        (errors.UpstreamNotFound(), Circuit.HALF_OPEN),
        (errors.ServerFailure(), Circuit.HALF_OPEN),
        (errors.ConnectionFailed(), Circuit.OPEN),
        (errors.FirstByteTimeout(), Circuit.OPEN),
    ],
)
async def test_a_target_that_says_anything_may_be_tried(
    looked: Looked, said: TidegateError | None, circuit: Circuit
) -> None:
    looked.board.failed(HERE, KEY, errors.ServerFailure())
    looked.provider.probe_says = [said]
    await looked.probing.look()
    assert looked.board.standings.breaker(HERE).circuit is circuit
    assert looked.provider.probes == ["main"]


async def test_what_is_well_is_left_alone(looked: Looked) -> None:
    looked.board.answered(HERE, KEY)
    await looked.probing.look()
    assert looked.provider.probes == []


async def test_of_all_replicas_one_looks_at_a_time(redis_link: RedisLink, redis_prefix: str) -> None:
    async with looking(redis_link, redis_prefix) as one, looking(redis_link, redis_prefix) as other:
        for each in (one, other):
            each.provider.probe_says = [errors.ConnectionFailed()]
            each.board.failed(HERE, KEY, errors.ServerFailure())
        for each in (one, other, one, other):
            await each.probing.look()
        assert len(one.provider.probes) + len(other.provider.probes) == 1


async def test_a_refused_key_is_looked_at_by_itself_until_it_is_good(looked: Looked) -> None:
    looked.board.failed(HERE, KEY, errors.InvalidUpstreamKey())
    looked.provider.probe_says = [errors.InvalidUpstreamKey(), None]
    await looked.probing.look()
    await looked.probing.look()
    assert looked.provider.probes == ["main"]
    assert looked.board.standings.credential(HERE, KEY).standing is Standing.INVALID


async def test_a_good_key_is_used_again(looked: Looked) -> None:
    looked.board.failed(HERE, KEY, errors.InvalidUpstreamKey())
    await looked.probing.look()
    assert looked.board.standings.credential(HERE, KEY).standing is Standing.HEALTHY
    assert KEY_SECONDS > 1


async def test_an_empty_account_costs_no_probe(looked: Looked) -> None:
    looked.board.failed(HERE, KEY, errors.OutOfQuota())
    await looked.probing.look()
    assert looked.provider.probes == []


async def test_a_target_is_looked_at_with_a_key_that_is_not_known_to_be_bad(looked: Looked) -> None:
    looked.board.failed(HERE, KEY, errors.OutOfQuota())
    looked.board.failed(HERE, KEY, errors.ServerFailure())
    await looked.probing.look()
    assert looked.provider.probes == ["spare"]


async def test_a_target_that_owes_answers_and_is_out_of_reach_is_down(looked: Looked) -> None:
    board, probing, provider, clock = looked
    provider.probe_says = [errors.ConnectionFailed()]
    for _ in range(OWED):
        board.sent(HERE)
    await probing.look()
    assert provider.probes == []
    for circuit in (Circuit.CLOSED, Circuit.OPEN):
        clock.advance(SILENCE + 1)
        await RedisClaims(board).forget()
        await probing.look()
        assert board.standings.breaker(HERE).circuit is circuit
    assert board.standings.breaker(HERE).unreachable


async def test_a_target_that_takes_its_time_is_not_down(looked: Looked) -> None:
    board, probing, provider, clock = looked
    for _ in range(OWED):
        board.sent(HERE)
    for _ in range(4):
        clock.advance(SILENCE + 1)
        await RedisClaims(board).forget()
        await probing.look()
    assert board.standings.breaker(HERE).circuit is Circuit.CLOSED
    board.heard(HERE)
    clock.advance(SILENCE + 1)
    probes = len(provider.probes)
    await probing.look()
    assert len(provider.probes) == probes


async def test_a_server_that_does_one_thing_at_a_time_is_busy_not_dead(looked: Looked) -> None:
    board, probing, provider, clock = looked
    provider.probe_says = [errors.FirstByteTimeout()]
    for _ in range(OWED - 1):
        board.sent(HERE)
    clock.advance(60.0)
    await probing.look()
    assert provider.probes == []


async def test_callers_who_give_up_are_no_word_from_the_target(looked: Looked) -> None:
    board, probing, provider, clock = looked
    for _ in range(OWED + 1):
        board.sent(HERE)
    clock.advance(SILENCE + 1)
    board.heard(HERE, a_word=False)
    await probing.look()
    assert provider.probes == ["main"]


async def test_a_defect_does_not_end_the_looking(looked: Looked) -> None:
    looked.board.failed(HERE, KEY, errors.ServerFailure())

    async def breaks(credential: Credential) -> None:
        looked.provider.probes.append(credential.name)
        looked.clock.advance(60.0)
        raise RuntimeError("a defect")

    looked.provider.probe = breaks  # type: ignore[method-assign]  # a provider with a defect
    await looked.probing.start()
    await until(lambda: len(looked.provider.probes) >= 2)
    await looked.probing.close()


class RedisClaims:
    """Redis keeps a claim by its own clock, which no test holds."""

    def __init__(self, board: Board) -> None:
        self._board = board

    async def forget(self) -> None:
        await self._board.store.forget_claim(f"probe {HERE.name}")
