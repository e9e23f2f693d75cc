"""An attempt has begun to answer when content came; what came before is held, and handed on with it."""

from typing import Any

import pytest

from tests.routing.fake_provider import DONE, ROLE, FakeExchange, FakeProvider, chat_chunk, error_answer, event
from tests.routing.fake_slot import FakeSlot
from tidegate.core import endpoints, errors
from tidegate.core.clock import ManualClock
from tidegate.core.endpoints import Endpoint
from tidegate.providers.base import ProviderRequest
from tidegate.providers.target import Target
from tidegate.routing.attempt import Attempt

CREATED = event({"type": "response.created", "response": {"status": "in_progress"}}, "response.created")
DELTA = event({"type": "response.output_text.delta", "delta": "Hi"}, "response.output_text.delta")
FILTERS = event({"choices": [], "prompt_filter_results": [{}]})


def attempt(said_there: Any, route: Endpoint = endpoints.CHAT) -> Attempt:
    provider = FakeProvider("openai").answers(said_there)
    fitted = ProviderRequest(target=Target("openai", "m"), endpoint=route, url="", body=b"{}", stream=True)
    return Attempt(fitted, provider.credentials[0], provider=provider, headers={}, slot=FakeSlot(), clock=ManualClock())


async def all_of(here: Attempt) -> list[bytes]:
    """Every event of its answer, as it is handed on."""
    got = []
    while more := await here.next_events():
        got += more
    return got + here.last_events


@pytest.mark.parametrize(
    ("route", "before", "first"),
    [
        (endpoints.CHAT, [ROLE], chat_chunk("Hi")),
        (endpoints.CHAT, [FILTERS, ROLE], chat_chunk("Hi")),
        (endpoints.CHAT, [ROLE], event({"choices": [{"index": 0, "delta": {"tool_calls": [{"index": 0}]}}]})),
        (endpoints.CHAT, [ROLE], event({"choices": [{"index": 0, "delta": {"refusal": "No."}}]})),
        (endpoints.CHAT, [ROLE], chat_chunk("", "stop")),
        (endpoints.RESPONSES, [CREATED], DELTA),
    ],
)
async def test_what_comes_before_the_content_is_handed_on_with_it(
    route: Endpoint, before: list[bytes], first: bytes
) -> None:
    waited = []

    async def wait() -> None:
        waited.append("for the content")

    exchange = FakeExchange(*before, wait, first, chat_chunk("more") if route is endpoints.CHAT else DELTA)
    here = attempt(lambda: _given(exchange), route)
    await here.open()
    assert waited
    assert await here.next_events() == [*before, first]


@pytest.mark.parametrize(
    ("said_there", "handed_on"),
    [
        pytest.param(
            [chat_chunk("Hi", "stop"), b"data:  [DONE] \n\n"], [chat_chunk("Hi", "stop"), DONE], id="spaces around DONE"
        ),
        pytest.param(
            [chat_chunk("Hi", "stop"), DONE.rstrip(b"\n")],
            [chat_chunk("Hi", "stop"), DONE],
            id="no line end after DONE",
        ),
        pytest.param(
            [chat_chunk("Hi", "stop"), DONE[:-1]], [chat_chunk("Hi", "stop"), DONE], id="no blank line after DONE"
        ),
        pytest.param([chat_chunk("Hi", "stop")], [chat_chunk("Hi", "stop"), DONE], id="no DONE"),
        pytest.param(
            [b"id: 1\n" + chat_chunk("Hi"), b"retry: 9\n\n", b": x\n" + chat_chunk("", "stop"), DONE],
            [chat_chunk("Hi"), chat_chunk("", "stop"), DONE],
            id="ids, retries and comments",
        ),
        pytest.param(
            [chat_chunk("Hi").replace(b"\n", b"\r"), chat_chunk("", "stop").replace(b"\n", b"\r"), b"data: [DONE]\r\r"],
            [chat_chunk("Hi"), chat_chunk("", "stop"), DONE],
            id="lines that end with CR",
        ),
    ],
)
async def test_a_stream_is_handed_on_as_openai_would_have_written_it(
    said_there: list[bytes], handed_on: list[bytes]
) -> None:
    here = attempt(lambda: _given(FakeExchange(*said_there)))
    await here.open()
    assert await all_of(here) == handed_on


@pytest.mark.parametrize("content_type", ["Text/Event-Stream", "TEXT/EVENT-STREAM; charset=UTF-8"])
async def test_a_stream_is_known_however_its_type_is_written(content_type: str) -> None:
    there = FakeExchange(chat_chunk("Hi", "stop"), DONE, headers={"content-type": content_type})
    here = attempt(lambda: _given(there))
    await here.open()
    assert here.stream


async def test_a_stream_that_ends_without_a_reason_is_handed_on_and_marked() -> None:
    here = attempt(lambda: _given(FakeExchange(ROLE, chat_chunk("Hi"), DONE)))
    await here.open()
    assert await all_of(here) == [ROLE, chat_chunk("Hi"), DONE]
    assert (here.is_complete, here.observer.is_unfinished) == (True, True)


async def test_a_stream_without_content_and_reason_is_no_answer() -> None:
    with pytest.raises(errors.TruncatedAnswer):
        await attempt(lambda: _given(FakeExchange(ROLE, DONE))).open()


@pytest.mark.parametrize(
    "said_there",
    [[chat_chunk("Hi"), b"data: [DO"], [chat_chunk("Hi", ""), chat_chunk("more", "")]],
)
async def test_a_stream_that_says_neither_why_nor_that_it_ends_is_cut_off(said_there: list[bytes]) -> None:
    here = attempt(lambda: _given(FakeExchange(*said_there)))
    await here.open()
    with pytest.raises(errors.TruncatedAnswer):
        await all_of(here)
    assert not here.is_complete


async def test_another_one_begins_anew_with_the_same_turn() -> None:
    here = attempt(error_answer(500))
    with pytest.raises(errors.UpstreamServerError):
        await here.open()
    again = here.renewed()
    assert (again.slot, again.was_sent, here.was_sent) == (here.slot, False, True)


async def test_when_the_calls_time_is_up_it_says_so() -> None:
    exchange = FakeExchange(chat_chunk("Hi"), errors.TruncatedAnswer())
    here = attempt(lambda: _given(exchange))
    await here.open()
    here.time_out()
    assert exchange.closed
    assert await here.next_events() == [chat_chunk("Hi")]
    with pytest.raises(errors.TotalTimeout):
        await here.next_events()


async def test_its_connection_serves_another_call_after_the_end() -> None:
    exchange = FakeExchange(chat_chunk("Hi", "stop"), DONE)
    here = attempt(lambda: _given(exchange))
    await here.open()
    assert await here.next_events() == [chat_chunk("Hi", "stop")]
    assert await here.next_events() == []
    assert (here.is_complete, here.last_events) == (True, [DONE])
    here.release()
    assert exchange.released


async def _given(exchange: FakeExchange) -> FakeExchange:
    return exchange
