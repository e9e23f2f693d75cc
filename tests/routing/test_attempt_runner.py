"""An attempt tells the board how it went, and a trial has its own clock."""

import asyncio
from typing import cast

import msgspec
import pytest

from tests.eventually import wait_until
from tests.routing.fake_provider import FakeProvider, error_answer, whole_answer
from tests.routing.fake_slot import FakeSlot
from tests.routing.health_registries import registry_alone
from tidegate.core import endpoints, errors
from tidegate.core.clock import ManualClock
from tidegate.providers.base import ProviderRequest
from tidegate.providers.target import Target
from tidegate.routing.attempt import Attempt
from tidegate.routing.attempt_runner import AttemptRunner
from tidegate.routing.fallback_policy import SendTo
from tidegate.routing.health import circuit_breaker
from tidegate.routing.health.circuit_breaker import BreakerState, Circuit
from tidegate.routing.health.registry import HealthRegistry

HERE = Target("openai", "m")


class Sent:
    """An attempt and its board."""

    def __init__(
        self, provider: FakeProvider, board: HealthRegistry, *, trial: bool = False, seconds: float | None
    ) -> None:
        self.turn = FakeSlot()
        fitted = ProviderRequest(target=HERE, endpoint=endpoints.CHAT, url="", body=b"{}", stream=False)
        credential = provider.credentials[0]
        self.attempt = Attempt(fitted, credential, provider=provider, headers={}, slot=self.turn, clock=ManualClock())
        ask = SendTo(target=HERE, credential=credential, claim="trial openai/m" if trial else "")
        self.sending = AttemptRunner(ask, self.attempt, board)
        self._seconds = seconds

    async def run(self) -> bool:
        return await self.sending.run(self.turn.wait, seconds=self._seconds)


@pytest.fixture
def board() -> HealthRegistry:
    return registry_alone(ManualClock(), failure_threshold=1)


async def test_while_nothing_was_heard_the_board_counts_the_call(board: HealthRegistry) -> None:
    seen = []

    async def say() -> object:
        seen.append(board.traffic(HERE).unanswered)
        return await whole_answer()()

    assert await Sent(FakeProvider("openai").answers(say), board, seconds=None).run()
    assert (seen, board.traffic(HERE).unanswered) == ([1], 0)


async def test_a_failure_reaches_the_board_and_cuts_the_connection(board: HealthRegistry) -> None:
    sent = Sent(FakeProvider("openai").answers(errors.ConnectionFailed()), board, seconds=None)
    with pytest.raises(errors.ConnectionFailed):
        await sent.run()
    assert board.snapshot.breaker(HERE).circuit is Circuit.OPEN
    assert sent.turn.log[-1] == "over"


@pytest.mark.parametrize("is_own", [True, False])
async def test_a_rate_limit_of_one_call_or_project_is_no_limit_for_others(board: HealthRegistry, is_own: bool) -> None:
    refused = error_answer(429, code="rate_limit_exceeded", message="Please try again in 1h.")
    sent = Sent(FakeProvider("openai").answers(refused), board, seconds=None)
    sent.turn.is_isolated_refusal = is_own
    with pytest.raises(errors.UpstreamRateLimited):
        await sent.run()
    assert bool(board.rate_limits(0.0)) is not is_own


async def test_the_call_as_a_whole_has_its_time(board: HealthRegistry) -> None:
    sent = Sent(FakeProvider("openai").answers(asyncio.Event().wait), board, seconds=0.01)
    with pytest.raises(errors.TotalTimeout):
        await sent.run()
    assert board.snapshot.breaker(HERE).circuit is Circuit.CLOSED


async def test_a_turn_that_cannot_come_is_no_failure(board: HealthRegistry) -> None:
    async def come() -> bool:
        return False

    sent = Sent(FakeProvider("openai").answers(whole_answer()), board, seconds=None)
    assert not await sent.sending.run(come, seconds=None)
    assert not sent.attempt.was_sent


@pytest.mark.parametrize(
    ("outage", "circuit"),
    [(errors.FirstByteTimeout(), Circuit.OPEN), (errors.UpstreamServerError(), Circuit.CLOSED)],
)
async def test_a_trial_that_is_slow_goes_on_elsewhere_where_calls_used_to_hang_and_is_waited_for_where_they_failed(
    board: HealthRegistry, outage: errors.UpstreamError, circuit: Circuit
) -> None:
    state = circuit_breaker.after_probe(circuit_breaker.open_breaker(outage, 1.0))
    soon = msgspec.structs.replace(state, slow_trials=-10)  # its time is 5 ms
    cast(dict[str, BreakerState], board.snapshot.breakers)[HERE.name] = soon
    answered = asyncio.Event()

    async def slow() -> object:
        await answered.wait()
        return await whole_answer()()

    sent = Sent(FakeProvider("openai").answers(slow), board, trial=True, seconds=None)
    sending = asyncio.create_task(sent.run())
    await wait_until(lambda: board.snapshot.breaker(HERE).circuit is circuit)
    answered.set()
    if circuit is Circuit.CLOSED:
        assert await sending
        return
    with pytest.raises(errors.FirstByteTimeout):
        await sending
    assert board.snapshot.breaker(HERE).slow_trials == -9
