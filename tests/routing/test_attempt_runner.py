"""An attempt tells the board how it went, and a trial has its own clock."""

import asyncio
from typing import cast

import msgspec
import pytest

from tests.eventually import until
from tests.routing.boards import board_alone
from tests.routing.played import PlayedProvider, answering
from tests.routing.turns import PlayedTurn
from tidegate.core import endpoints, errors
from tidegate.core.clock import ManualClock
from tidegate.providers.base import Fitted
from tidegate.providers.target import Target
from tidegate.routing.attempt import Attempt
from tidegate.routing.attempt_runner import Sending
from tidegate.routing.fallback_policy import Ask
from tidegate.routing.health import circuit_breaker
from tidegate.routing.health.circuit_breaker import BreakerState, Circuit
from tidegate.routing.health.registry import Board

HERE = Target("openai", "m")


class Sent:
    """An attempt and its board."""

    def __init__(self, provider: PlayedProvider, board: Board, *, trial: bool = False, seconds: float | None) -> None:
        self.turn = PlayedTurn()
        fitted = Fitted(target=HERE, route=endpoints.CHAT, body=b"{}", stream=False)
        credential = provider.credentials[0]
        self.attempt = Attempt(fitted, credential, provider=provider, headers={}, turn=self.turn, clock=ManualClock())
        ask = Ask(target=HERE, credential=credential, claim="trial openai/m" if trial else "")
        self.sending = Sending(ask, self.attempt, board, seconds=seconds)

    async def run(self) -> bool:
        return await self.sending.run(self.turn.come)


@pytest.fixture
def board() -> Board:
    return board_alone(ManualClock(), failures=1)


async def test_while_nothing_was_heard_the_board_counts_the_call(board: Board) -> None:
    seen = []

    async def say() -> object:
        seen.append(board.traffic(HERE).unanswered)
        return await answering()()

    assert await Sent(PlayedProvider("openai").says(say), board, seconds=None).run()
    assert (seen, board.traffic(HERE).unanswered) == ([1], 0)


async def test_a_failure_reaches_the_board_and_cuts_the_connection(board: Board) -> None:
    sent = Sent(PlayedProvider("openai").says(errors.ConnectionFailed()), board, seconds=None)
    with pytest.raises(errors.ConnectionFailed):
        await sent.run()
    assert board.standings.breaker(HERE).circuit is Circuit.OPEN
    assert sent.turn.heard[-1] == "over"


async def test_the_call_as_a_whole_has_its_time(board: Board) -> None:
    sent = Sent(PlayedProvider("openai").says(asyncio.Event().wait), board, seconds=0.01)
    with pytest.raises(errors.TotalTimeout):
        await sent.run()
    assert board.standings.breaker(HERE).circuit is Circuit.CLOSED


async def test_a_turn_that_cannot_come_is_no_failure(board: Board) -> None:
    async def come() -> bool:
        return False

    sent = Sent(PlayedProvider("openai").says(answering()), board, seconds=None)
    assert not await sent.sending.run(come)
    assert not sent.attempt.sent


@pytest.mark.parametrize(
    ("outage", "circuit"),
    [(errors.FirstByteTimeout(), Circuit.OPEN), (errors.ServerFailure(), Circuit.CLOSED)],
)
async def test_a_trial_that_is_slow_goes_on_elsewhere_where_calls_used_to_hang_and_is_waited_for_where_they_failed(
    board: Board, outage: errors.UpstreamError, circuit: Circuit
) -> None:
    state = circuit_breaker.probed(circuit_breaker.opened(outage, 1.0))
    soon = msgspec.structs.replace(state, slow_trials=-10)  # its time is 5 ms
    cast(dict[str, BreakerState], board.standings.breakers)[HERE.name] = soon
    answered = asyncio.Event()

    async def slow() -> object:
        await answered.wait()
        return await answering()()

    sent = Sent(PlayedProvider("openai").says(slow), board, trial=True, seconds=None)
    sending = asyncio.create_task(sent.run())
    await until(lambda: board.standings.breaker(HERE).circuit is circuit)
    answered.set()
    if circuit is Circuit.CLOSED:
        assert await sending
        return
    with pytest.raises(errors.FirstByteTimeout):
        await sending
    assert board.standings.breaker(HERE).slow_trials == -9
