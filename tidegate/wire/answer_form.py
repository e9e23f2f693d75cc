"""One answer in the form its caller wants: whole or streamed, with this caller's own words in it."""

import contextlib
from collections.abc import Iterator
from typing import Any

import msgspec

from tidegate.core import endpoints
from tidegate.core.endpoints import Endpoint, Format
from tidegate.core.errors import MalformedAnswer
from tidegate.wire import chat, responses, sse
from tidegate.wire.call import Call


def split_events(body: bytes) -> list[bytes]:
    """The events of a stored stream."""
    return sse.EventSplitter().feed(body)


def to_body(route: Endpoint, events: list[bytes]) -> bytes:
    """A streamed answer in one piece. Raises MalformedAnswer or TruncatedStream."""
    with _understood():
        objects = [
            msgspec.json.decode(data)
            for event in events
            if (data := sse.data_of(event)) is not None and data != b"[DONE]"
        ]
        whole = chat.from_chunks(objects) if route.format is Format.CHAT else responses.from_events(objects)
        return msgspec.json.encode(whole)


def to_stream(route: Endpoint, body: bytes) -> list[bytes]:
    """An answer that came in one piece, as OpenAI would have streamed it. Raises MalformedAnswer."""
    with _understood():
        answer = msgspec.json.decode(body)
        if route.format is Format.CHAT:
            if not all(choice.get("finish_reason") for choice in answer["choices"]):
                raise MalformedAnswer("The upstream's answer does not say why it finished, as a stream's end must.")
            return [sse.encode(msgspec.json.encode(chunk)) for chunk in chat.to_chunks(answer)] + [sse.DONE]
        return [sse.encode(msgspec.json.encode(event), event["type"]) for event in responses.to_events(answer)]


@contextlib.contextmanager
def _understood() -> Iterator[None]:
    """An answer may be JSON and still not have the shape of one; then it cannot take the other form."""
    try:
        yield
    except (AttributeError, LookupError, RecursionError, TypeError, ValueError) as error:
        raise MalformedAnswer("The upstream's answer cannot be given in the form that was asked for.") from error


def caller_echo(call: Call) -> str:
    """What an answer to this call repeats of the caller's own words; empty for nothing."""
    said: dict[str, Any] = {name: call.body[name] for name in call.endpoint.echoes if call.body.get(name)}
    return msgspec.json.encode(said, order="deterministic").decode() if said else ""


class CallerEcho:
    """Puts a caller's own words where an answer repeats another's. Only Responses repeat any."""

    def __init__(self, echo: str) -> None:
        """`said` is what `echo_of` gives for the caller."""
        self._said: dict[str, Any] = msgspec.json.decode(echo) if echo else {}

    def replace_in_body(self, body: bytes) -> bytes:
        """A Response with its caller's words exchanged. Raises MalformedAnswer."""
        with _understood():
            return msgspec.json.encode(self._exchange(msgspec.json.decode(body)))

    def replace_in_event(self, event: bytes) -> bytes:
        """An event with the words exchanged in the Response it carries, if any. Raises MalformedAnswer."""
        data = sse.data_of(event)
        if data is None or b'"response"' not in data:
            return event
        with _understood():
            document = msgspec.json.decode(data)
            if not isinstance(document.get("response"), dict):
                return event
            document["response"] = self._exchange(document["response"])
            return sse.encode(msgspec.json.encode(document), document.get("type"))

    def _exchange(self, response: dict[str, Any]) -> dict[str, Any]:
        silent: dict[str, Any] = {"metadata": {}}
        own = {
            name: self._said.get(name, silent.get(name))
            for name in endpoints.RESPONSES.echoes
            if name in response or name in self._said
        }
        return {**response, **own}
