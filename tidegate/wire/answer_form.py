"""Convert an answer between body and stream, and put its caller's own fields into it."""

import contextlib
from collections.abc import Generator, Iterator
from typing import Any

import msgspec

from tidegate.core import endpoints
from tidegate.core.endpoints import Endpoint, Format
from tidegate.core.errors import MalformedAnswer
from tidegate.core.process.heavy_turns import at_once
from tidegate.wire import chat, responses, sse
from tidegate.wire.call import Call


def split_events(body: bytes) -> list[bytes]:
    """Return the events of a stored stream."""
    return sse.EventSplitter().feed(body)


def to_body(route: Endpoint, events: list[bytes]) -> bytes:
    """Return a streamed answer as one body. Raises MalformedAnswer or TruncatedAnswer."""
    return at_once(to_body_in_steps(route, events))


def to_body_in_steps(route: Endpoint, events: list[bytes]) -> Generator[None, None, bytes]:
    """Return the same, in steps of some events."""
    with _malformed_on_error():
        objects = (
            msgspec.json.decode(data)
            for event in events
            if (data := sse.data_of(event)) is not None and data != b"[DONE]"
        )
        joined = chat.from_chunks_in_steps if route.format is Format.CHAT else responses.from_events_in_steps
        return msgspec.json.encode((yield from joined(objects)))


def to_stream(route: Endpoint, body: bytes) -> list[bytes]:
    """Return an answer that came as one body, as OpenAI would have streamed it. Raises MalformedAnswer."""
    with _malformed_on_error():
        answer = msgspec.json.decode(body)
        if route.format is Format.CHAT:
            return [sse.encode(msgspec.json.encode(chunk)) for chunk in chat.to_chunks(answer)] + [sse.DONE]
        return [sse.encode(msgspec.json.encode(event), event["type"]) for event in responses.to_events(answer)]


@contextlib.contextmanager
def _malformed_on_error() -> Iterator[None]:
    """Raise MalformedAnswer where an answer is JSON, but not a valid answer: then it cannot be converted."""
    try:
        yield
    except (AttributeError, LookupError, RecursionError, TypeError, ValueError) as error:
        raise MalformedAnswer("The upstream's answer cannot be converted between a body and a stream.") from error


def caller_echo(call: Call) -> str:
    """Return the values of the call that its answer repeats, as canonical JSON; empty for none."""
    echo: dict[str, Any] = {name: call.body[name] for name in call.endpoint.echoes if call.body.get(name)}
    return msgspec.json.encode(echo, order="deterministic").decode() if echo else ""


class CallerEcho:
    """Replaces the request values of another caller in a shared answer. Only Responses repeat such values."""

    def __init__(self, echo: str) -> None:
        """`echo` is the result of `caller_echo` for the caller."""
        self._echo: dict[str, Any] = msgspec.json.decode(echo) if echo else {}

    def replace_in_body(self, body: bytes) -> bytes:
        """Return a Response with this caller's values. Raises MalformedAnswer."""
        with _malformed_on_error():
            return msgspec.json.encode(self._exchange(msgspec.json.decode(body)))

    def replace_in_event(self, event: bytes) -> bytes:
        """Return an event with this caller's values in the Response that it carries, if any. Raises MalformedAnswer."""
        data = sse.data_of(event)
        if data is None or b'"response"' not in data:
            return event
        with _malformed_on_error():
            document = msgspec.json.decode(data)
            if not isinstance(document.get("response"), dict):
                return event
            document["response"] = self._exchange(document["response"])
            return sse.encode(msgspec.json.encode(document), document.get("type"))

    def _exchange(self, response: dict[str, Any]) -> dict[str, Any]:
        defaults: dict[str, Any] = {"metadata": {}}
        own = {
            name: self._echo.get(name, defaults.get(name))
            for name in endpoints.RESPONSES.echoes
            if name in response or name in self._echo
        }
        return {**response, **own}
