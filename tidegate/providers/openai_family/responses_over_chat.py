"""The Responses API at a provider that only has chat completions: translate the call there, and its answer back.

`OpenAIFamilyProvider.build_request` uses this where the provider's endpoints lack `responses`. The translation itself
is pure and in `tidegate.wire.translate`; here it gets its clock and its identifiers.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import msgspec

from tidegate.core import endpoints
from tidegate.core.clock import Clock
from tidegate.core.endpoints import Endpoint
from tidegate.core.errors import EmptyAnswer, MalformedAnswer, NotTranslatable
from tidegate.core.ids import IdSource, new_id
from tidegate.providers.base import ProviderRequest
from tidegate.providers.target import Target
from tidegate.wire import chat, sse
from tidegate.wire.call import Call
from tidegate.wire.shapes.chat_body import mend_completion
from tidegate.wire.shapes.chat_stream import ChatStreamMender
from tidegate.wire.translate import chunk
from tidegate.wire.translate.request import chat_call
from tidegate.wire.translate.response_builder import ResponseBuilder
from tidegate.wire.translate.unsupported import unsupported_fields


class ResponsesOverChat:
    """Translates one provider's calls to the Responses API into calls of its chat API."""

    def __init__(self, clock: Clock, *, reasoning_field: str | None = None, ids: IdSource = new_id) -> None:
        """Prepare the translation; `reasoning_field` is where the provider takes an assistant's reasoning back."""
        self._clock = clock
        self._ids = ids
        self._reasoning_field = reasoning_field

    def build_request(
        self,
        call: Call,
        target: Target,
        provider_endpoints: frozenset[Endpoint],
        build: Callable[[Call], ProviderRequest],
    ) -> ProviderRequest:
        """Return the request for a call to an endpoint that the provider lacks; `build` makes that of the chat call.

        Raises NotTranslatable or InvalidParameter where chat completions cannot express the call.
        """
        if call.endpoint is not endpoints.RESPONSES or endpoints.CHAT not in provider_endpoints:
            raise NotTranslatable(f"The target {target.name} does not answer on {call.endpoint.path}.")
        request = build(chat_call(call, reasoning_field=self._reasoning_field))
        dropped = unsupported_fields(call.body, keeps_reasoning=self._reasoning_field is not None)
        return msgspec.structs.replace(
            request,
            endpoint=call.endpoint,
            adaptations=(*dropped, *request.adaptations),
            new_translator=partial(Translator, call, clock=self._clock, ids=self._ids),
        )


class Translator:
    """Translates one answer. Implements `tidegate.providers.base.AnswerTranslator`."""

    def __init__(self, call: Call, *, clock: Clock, ids: IdSource = new_id) -> None:
        """Prepare the translation of the answer to `call`, the caller's own."""
        self._clock = clock
        self._mender = ChatStreamMender()
        self._builder = ResponseBuilder(call.body, response_id=ids("resp_"), model=call.model, created_at=clock.now())

    @property
    def end_reason(self) -> str | None:
        """Why the chat completion ended, in its provider's words: a Response cannot say all of them."""
        return self._builder.finish_reason

    def translate_event(self, event: bytes) -> list[bytes]:
        """Return the events of the Response for one event of the chat stream. Raises MalformedAnswer."""
        event = self._mender.mend_event(event)
        data = sse.data_of(event)
        if not data or data.isspace():
            return []
        if sse.is_done(event):
            if not self._builder.has_begun:
                raise MalformedAnswer("The upstream's stream ended without content.")
            return _encoded(self._builder.finish(at=self._clock.now()))
        decoded = chunk.decode_chunk(data)
        if decoded.error_object is not None:
            return [_error(decoded.error_object, self._builder.next_sequence_number)]
        return _encoded(self._builder.add_chunk(decoded))

    def end(self) -> list[bytes]:
        """Return the last events where the chat stream ended without `[DONE]`; none if it is incomplete."""
        return _encoded(self._builder.finish(at=self._clock.now())) if self._builder.finish_reason else []

    def translate_body(self, body: bytes) -> bytes:
        """Return the Response for a whole chat completion; an error stays as it is.

        Raises MalformedAnswer and EmptyAnswer.
        """
        try:
            completion = msgspec.json.decode(body)
            if completion.get("error") is not None:
                return body
            if completion.get("choices") == []:
                raise EmptyAnswer
            completion = mend_completion(completion)
            if completion.get("error") is not None:
                return msgspec.json.encode(completion)
            chunks = chat.to_chunks(completion, cut=_uncut)
        except (msgspec.DecodeError, AttributeError, LookupError, TypeError, ValueError, RecursionError) as error:
            raise MalformedAnswer("The upstream's answer is no chat completion.") from error
        for piece in chunks:
            self._builder.add_chunk(chunk.convert_chunk(piece))
        events = self._builder.finish(at=self._clock.now())
        if not events:
            raise MalformedAnswer("The upstream's chat completion has no choice.")
        return msgspec.json.encode(events[-1]["response"])


def _uncut(text: str) -> list[str]:
    return [text]


def _encoded(events: list[dict[str, Any]]) -> list[bytes]:
    return [sse.encode(msgspec.json.encode(event), event["type"]) for event in events]


def _error(error: Any, number: int) -> bytes:
    """Return an error event as the Responses API writes it, with the error both nested and flat."""
    nested = error if isinstance(error, dict) else {"message": str(error), "type": None, "param": None, "code": None}
    flat = {name: nested.get(name) for name in ("code", "message", "param")}
    event = {**flat, "type": "error", "sequence_number": number, "error": nested}
    return sse.encode(msgspec.json.encode(event), "error")
