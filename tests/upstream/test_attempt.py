"""An attempt has begun to answer when content came; what came before is held, and handed on with it."""

from typing import Any

import pytest

from tests.upstream.played import DONE, ROLE, PlayedExchange, PlayedProvider, event, refusal, said
from tests.upstream.turns import PlayedTurn
from tidegate.core import errors
from tidegate.core.clock import ManualClock
from tidegate.core.values import Route
from tidegate.upstream.attempt import Attempt
from tidegate.upstream.plan import Target
from tidegate.upstream.provider import Fitted

CREATED = event({"type": "response.created", "response": {"status": "in_progress"}}, "response.created")
DELTA = event({"type": "response.output_text.delta", "delta": "Hi"}, "response.output_text.delta")
FILTERS = event({"choices": [], "prompt_filter_results": [{}]})


def attempt(said_there: Any, route: Route = Route.CHAT) -> Attempt:
    provider = PlayedProvider("openai").says(said_there)
    fitted = Fitted(target=Target("openai", "m"), route=route, body=b"{}", stream=True)
    return Attempt(
        fitted, provider.credentials[0], provider=provider, headers={}, turn=PlayedTurn(), clock=ManualClock()
    )


@pytest.mark.parametrize(
    ("route", "before", "first"),
    [
        (Route.CHAT, [ROLE], said("Hi")),
        (Route.CHAT, [FILTERS, ROLE], said("Hi")),
        (Route.CHAT, [ROLE], event({"choices": [{"delta": {"tool_calls": [{"index": 0}]}}]})),
        (Route.CHAT, [ROLE], event({"choices": [{"delta": {"refusal": "No."}}]})),
        (Route.CHAT, [ROLE], said("", "stop")),
        (Route.RESPONSES, [CREATED], DELTA),
    ],
)
async def test_what_comes_before_the_content_is_handed_on_with_it(
    route: Route, before: list[bytes], first: bytes
) -> None:
    waited = []

    async def wait() -> None:
        waited.append("for the content")

    exchange = PlayedExchange(*before, wait, first, said("more") if route is Route.CHAT else DELTA)
    here = attempt(lambda: _given(exchange), route)
    await here.open()
    assert waited
    assert await here.more() == [*before, first]


async def test_another_one_begins_anew_with_the_same_turn() -> None:
    here = attempt(refusal(500))
    with pytest.raises(errors.ServerFailure):
        await here.open()
    again = here.another()
    assert (again.turn, again.sent, here.sent) == (here.turn, False, True)


async def test_when_the_calls_time_is_up_it_says_so() -> None:
    exchange = PlayedExchange(said("Hi"), errors.TruncatedStream())
    here = attempt(lambda: _given(exchange))
    await here.open()
    here.time_is_up()
    assert exchange.closed
    assert await here.more() == [said("Hi")]
    with pytest.raises(errors.TotalTimeout):
        await here.more()


async def test_its_connection_serves_another_call_after_the_end() -> None:
    exchange = PlayedExchange(said("Hi", "stop"), DONE)
    here = attempt(lambda: _given(exchange))
    await here.open()
    assert await here.more() == [said("Hi", "stop")]
    assert await here.more() == []
    assert (here.ended, here.last) == (True, [DONE])
    here.finish()
    assert exchange.finished


async def _given(exchange: PlayedExchange) -> PlayedExchange:
    return exchange
