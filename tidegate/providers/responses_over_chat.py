"""Between a caller who speaks Responses and a provider that only speaks chat: the call there, its answer back."""

from typing import Any

import msgspec

from tidegate.core import endpoints
from tidegate.core.clock import Clock
from tidegate.core.errors import MalformedAnswer, NotTranslatable
from tidegate.core.ids import IdSource, new_id
from tidegate.providers.base import Provider, ProviderRequest
from tidegate.providers.target import Target
from tidegate.wire import chat, sse
from tidegate.wire.call import Call
from tidegate.wire.translate import chunk
from tidegate.wire.translate.request import chat_call
from tidegate.wire.translate.response_builder import ResponseBuilder
from tidegate.wire.translate.unsupported import unsupported_fields


def build_translated_request(
    call: Call, target: Target, *, provider: Provider, clock: Clock, ids: IdSource = new_id
) -> "tuple[ProviderRequest, Translator | None]":
    """The call as the target takes it, and its interpreter if it needs one. Raises what both of them raise."""
    interpreter = translator_for(call, target, provider=provider, clock=clock, ids=ids)
    if interpreter is None:
        return provider.build_request(call, target), None
    fitted = provider.build_request(interpreter.call, target)
    return msgspec.structs.replace(
        fitted, adaptations=(*interpreter.unsupported_fields, *fitted.adaptations)
    ), interpreter


def translator_for(
    call: Call, target: Target, *, provider: Provider, clock: Clock, ids: IdSource = new_id
) -> "Translator | None":
    """An interpreter where the provider does not speak the call's route, but speaks chat.

    Raises NotTranslatable or InvalidParameter where chat cannot say what the call says.
    """
    if call.endpoint in provider.endpoints:
        return None
    if call.endpoint is not endpoints.RESPONSES or endpoints.CHAT not in provider.endpoints:
        raise NotTranslatable(f"The target {target.name} does not answer on {call.endpoint.path}.")
    return Translator(call, clock=clock, ids=ids, reasoning_field=provider.reasoning_field)


class Translator:
    """One attempt's interpreter."""

    def __init__(self, call: Call, *, clock: Clock, ids: IdSource, reasoning_field: str | None = None) -> None:
        """Raises NotTranslatable or InvalidParameter."""
        self.call = chat_call(call, reasoning_field=reasoning_field)
        """What to send."""
        self.unsupported_fields = unsupported_fields(call.body, keeps_reasoning=reasoning_field is not None)
        """What was left out on the way, for the caller to be told."""
        self.endpoint = call.endpoint
        """The caller's."""
        self._original = call
        self._ids = ids
        self._clock = clock
        self._reasoning_field = reasoning_field
        self._builder = ResponseBuilder(call.body, response_id=ids("resp_"), model=call.model, created_at=clock.now())

    def renewed(self) -> "Translator":
        """Another for the same call, which has heard nothing yet."""
        return Translator(self._original, clock=self._clock, ids=self._ids, reasoning_field=self._reasoning_field)

    def translate_event(self, event: bytes) -> list[bytes]:
        """The events of a Response's stream that an event of the chat stream makes. Raises MalformedAnswer."""
        data = sse.data_of(event)
        if data is None:
            return []
        if sse.is_done(event):
            return _encoded(self._builder.finish(at=self._clock.now()))
        said = chunk.decode_chunk(data)
        if said.error_object is not None:
            return [_error(said.error_object, self._builder.next_sequence_number)]
        return _encoded(self._builder.add_chunk(said))

    def end(self) -> list[bytes]:
        """The last events where the chat stream ended without `[DONE]`; none if it is not complete."""
        return _encoded(self._builder.finish(at=self._clock.now())) if self._builder.has_finish_reason else []

    def translate_body(self, body: bytes) -> bytes:
        """The Response that a chat completion in one piece is; an error is left as it is. Raises MalformedAnswer."""
        try:
            completion = msgspec.json.decode(body)
            if completion.get("error") is not None:
                return body
            chunks = chat.to_chunks(completion, cut=_uncut)
        except (msgspec.DecodeError, AttributeError, LookupError, TypeError, ValueError, RecursionError) as error:
            raise MalformedAnswer("The upstream's answer is no chat completion.") from error
        for piece in chunks:
            self._builder.add_chunk(chunk.convert_chunk(piece))
        told = self._builder.finish(at=self._clock.now())
        if not told:
            raise MalformedAnswer("The upstream's chat completion has no choice.")
        return msgspec.json.encode(told[-1]["response"])


def _uncut(text: str) -> list[str]:
    return [text]


def _encoded(events: list[dict[str, Any]]) -> list[bytes]:
    return [sse.encode(msgspec.json.encode(event), event["type"]) for event in events]


def _error(error: Any, number: int) -> bytes:
    """An error in the stream as Responses tells it, nested and flat."""
    nested = error if isinstance(error, dict) else {"message": str(error), "type": None, "param": None, "code": None}
    flat = {name: nested.get(name) for name in ("code", "message", "param")}
    event = {**flat, "type": "error", "sequence_number": number, "error": nested}
    return sse.encode(msgspec.json.encode(event), "error")
