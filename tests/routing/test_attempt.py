"""An attempt has begun to answer when content came; what came before is held, and handed on with it."""

from typing import Any

import pytest

from tests.routing.played import DONE, ROLE, PlayedExchange, PlayedProvider, event, refusal, said
from tests.routing.turns import PlayedTurn
from tidegate.core import endpoints, errors
from tidegate.core.clock import ManualClock
from tidegate.core.endpoints import Endpoint
from tidegate.providers.base import Fitted
from tidegate.providers.target import Target
from tidegate.routing.attempt import Attempt

CREATED = event({"type": "response.created", "response": {"status": "in_progress"}}, "response.created")
DELTA = event({"type": "response.output_text.delta", "delta": "Hi"}, "response.output_text.delta")
FILTERS = event({"choices": [], "prompt_filter_results": [{}]})


def attempt(said_there: Any, route: Endpoint = endpoints.CHAT) -> Attempt:
    provider = PlayedProvider("openai").says(said_there)
    fitted = Fitted(target=Target("openai", "m"), route=route, body=b"{}", stream=True)
    return Attempt(
        fitted, provider.credentials[0], provider=provider, headers={}, turn=PlayedTurn(), clock=ManualClock()
    )


async def all_of(here: Attempt) -> list[bytes]:
    """Every event of its answer, as it is handed on."""
    got = []
    while more := await here.more():
        got += more
    return got + here.last


@pytest.mark.parametrize(
    ("route", "before", "first"),
    [
        (endpoints.CHAT, [ROLE], said("Hi")),
        (endpoints.CHAT, [FILTERS, ROLE], said("Hi")),
        (endpoints.CHAT, [ROLE], event({"choices": [{"delta": {"tool_calls": [{"index": 0}]}}]})),
        (endpoints.CHAT, [ROLE], event({"choices": [{"delta": {"refusal": "No."}}]})),
        (endpoints.CHAT, [ROLE], said("", "stop")),
        (endpoints.RESPONSES, [CREATED], DELTA),
    ],
)
async def test_what_comes_before_the_content_is_handed_on_with_it(
    route: Endpoint, before: list[bytes], first: bytes
) -> None:
    waited = []

    async def wait() -> None:
        waited.append("for the content")

    exchange = PlayedExchange(*before, wait, first, said("more") if route is endpoints.CHAT else DELTA)
    here = attempt(lambda: _given(exchange), route)
    await here.open()
    assert waited
    assert await here.more() == [*before, first]


@pytest.mark.parametrize(
    ("said_there", "handed_on"),
    [
        pytest.param([said("Hi", "stop"), b"data:  [DONE] \n\n"], [said("Hi", "stop"), DONE], id="spaces around DONE"),
        pytest.param([said("Hi", "stop"), DONE.rstrip(b"\n")], [said("Hi", "stop"), DONE], id="no line end after DONE"),
        pytest.param([said("Hi", "stop"), DONE[:-1]], [said("Hi", "stop"), DONE], id="no blank line after DONE"),
        pytest.param([said("Hi", "stop")], [said("Hi", "stop"), DONE], id="no DONE"),
        pytest.param(
            [b"id: 1\n" + said("Hi"), b"retry: 9\n\n", b": x\n" + said("", "stop"), DONE],
            [said("Hi"), said("", "stop"), DONE],
            id="ids, retries and comments",
        ),
        pytest.param(
            [said("Hi").replace(b"\n", b"\r"), said("", "stop").replace(b"\n", b"\r"), b"data: [DONE]\r\r"],
            [said("Hi"), said("", "stop"), DONE],
            id="lines that end with CR",
        ),
    ],
)
async def test_a_stream_is_handed_on_as_openai_would_have_written_it(
    said_there: list[bytes], handed_on: list[bytes]
) -> None:
    here = attempt(lambda: _given(PlayedExchange(*said_there)))
    await here.open()
    assert await all_of(here) == handed_on


@pytest.mark.parametrize("content_type", ["Text/Event-Stream", "TEXT/EVENT-STREAM; charset=UTF-8"])
async def test_a_stream_is_known_however_its_type_is_written(content_type: str) -> None:
    there = PlayedExchange(said("Hi", "stop"), DONE, headers={"content-type": content_type})
    here = attempt(lambda: _given(there))
    await here.open()
    assert here.stream


@pytest.mark.parametrize(
    "said_there", [[said("Hi"), DONE], [said("Hi"), b"data: [DO"], [said("Hi", ""), said("more", "")]]
)
async def test_a_stream_that_does_not_say_why_it_ends_is_cut_off(said_there: list[bytes]) -> None:
    here = attempt(lambda: _given(PlayedExchange(*said_there)))
    await here.open()
    with pytest.raises(errors.TruncatedStream):
        await all_of(here)
    assert not here.ended


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
