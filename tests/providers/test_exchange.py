"""Bytes become the caller's events, a failure comes after the events before it, and an early end is no end."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.providers.messages_provider import MessagesExchange, MessagesTranslator
from tests.routing.fake_provider import DONE, JSON, FakeExchange, event
from tidegate.core import endpoints
from tidegate.core.clock import ManualClock
from tidegate.core.errors import AnswerTooLarge, HtmlFromProxy, MalformedAnswer, TruncatedAnswer
from tidegate.providers.base import AnswerTranslator, ProviderRequest
from tidegate.providers.target import Target

DELTA = event({"type": "content_block_delta", "delta": {"text": "Hi"}})


def exchange(answer: Any, translator: Callable[[], AnswerTranslator] | None = None) -> MessagesExchange:
    request = ProviderRequest(
        target=Target("here", "m"), endpoint=endpoints.CHAT, url="", body=b"{}", stream=True, new_translator=translator
    )
    return MessagesExchange(answer, request, ManualClock(), max_answer_bytes=300)


def translating(*parts: Any) -> MessagesExchange:
    return exchange(FakeExchange(*parts), lambda: MessagesTranslator("m"))


async def test_bytes_that_end_no_event_are_none_yet_and_the_end_is_none() -> None:
    reader = exchange(FakeExchange(b"data: 1", b"\n\ndata: 2\n\n"))
    assert [await reader.read_events() for _ in range(3)] == [[], [b"data: 1\n\n", b"data: 2\n\n"], None]


async def test_a_failed_translation_is_raised_after_the_events_before_it() -> None:
    reader = translating(DELTA + event({"type": "broken"}) + DELTA)
    events = await reader.read_events()
    assert events is not None
    assert len(events) == 1
    for _ in range(2):
        with pytest.raises(MalformedAnswer):
            await reader.read_events()


async def test_what_the_translator_adds_at_the_end_comes_once() -> None:
    class Ending(MessagesTranslator):
        def end(self) -> list[bytes]:
            return [DONE]

    reader = exchange(FakeExchange(DELTA), lambda: Ending("m"))
    assert len(await reader.read_events() or []) == 1
    assert await reader.read_events() == [DONE]
    assert await reader.read_events() is None


@pytest.mark.parametrize(("rest", "is_truncated"), [(b"data: [DONE]", False), (b"data: [DO", True), (b" \n", False)])
async def test_an_end_inside_an_event_is_truncated(rest: bytes, is_truncated: bool) -> None:
    reader = exchange(FakeExchange(b"data: 1\n\n" + rest))
    await reader.read_events()
    if is_truncated:
        with pytest.raises(TruncatedAnswer):
            await reader.read_events()
    else:
        assert await reader.read_events() is None


async def test_a_stream_that_is_too_long_is_given_up() -> None:
    with pytest.raises(AnswerTooLarge):
        await exchange(FakeExchange(b"x" * 301)).read_events()


async def test_a_whole_answer_is_read_and_its_connection_closed() -> None:
    answer = FakeExchange(b"{}", headers=JSON)
    assert await exchange(answer).read_body() == b"{}"
    assert answer.closed


async def test_a_web_page_is_no_answer() -> None:
    reader = exchange(FakeExchange(b"<html>", headers={"content-type": "text/html; charset=utf-8"}))
    await reader.wait_for_head()
    with pytest.raises(HtmlFromProxy):
        await reader.read_body()


PLAIN, EVENTS = {"content-type": "text/plain"}, {"content-type": "Text/Event-Stream;charset=UTF-8"}


@pytest.mark.parametrize("headers", [PLAIN, JSON, EVENTS, {}])
@pytest.mark.parametrize(
    "pieces", [(b"data: 1\n\n",), (b"\xef\xbb", b"\xbfda", b"ta: 1", b"\n\n"), (b" \n", b"data: 1\n\n")]
)
async def test_events_are_a_stream_whatever_their_type_says(headers: dict[str, str], pieces: tuple[bytes, ...]) -> None:
    reader = exchange(FakeExchange(*pieces, headers=headers))
    await reader.wait_for_head()
    await reader.begin()
    assert reader.is_stream
    events = [one for _ in pieces for one in await reader.read_events() or []]
    assert events == [b"data: 1\n\n"]


@pytest.mark.parametrize("headers", [PLAIN, JSON, EVENTS, {}])
@pytest.mark.parametrize("pieces", [(b"{}",), (b"\xef\xbb\xbf{", b"}"), (b"\n", b"{}")])
async def test_an_object_is_a_body_whatever_its_type_says(headers: dict[str, str], pieces: tuple[bytes, ...]) -> None:
    reader = exchange(FakeExchange(*pieces, headers=headers))
    await reader.wait_for_head()
    await reader.begin()
    assert not reader.is_stream
    assert await reader.read_body() == b"{}"


@pytest.mark.parametrize(("headers", "is_stream"), [(EVENTS, True), (JSON, False), ({}, False)])
@pytest.mark.parametrize("pieces", [(), (b"da",), (b" \n",)])
async def test_an_answer_that_tells_nothing_has_the_form_of_its_type(
    headers: dict[str, str], is_stream: bool, pieces: tuple[bytes, ...]
) -> None:
    reader = exchange(FakeExchange(*pieces, headers=headers))
    await reader.wait_for_head()
    await reader.begin()
    assert reader.is_stream is is_stream


async def test_white_space_without_end_is_given_up() -> None:
    with pytest.raises(AnswerTooLarge):
        await exchange(FakeExchange(*[b" " * 100] * 4, headers=JSON)).begin()


async def test_a_web_page_is_known_by_its_first_byte() -> None:
    with pytest.raises(HtmlFromProxy):
        await exchange(FakeExchange(b"<html>", headers=PLAIN)).read_body()


async def test_the_end_of_a_stream_after_a_body_is_left_out() -> None:
    assert await exchange(FakeExchange(b'{"a":1}\n\ndata: [DONE]\n\n', headers=EVENTS)).read_body() == b'{"a":1}\n\n'
