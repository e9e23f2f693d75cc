"""Between a caller who speaks Responses and a provider that only speaks chat: the call there, its answer back."""

from typing import Any

import msgspec

from tidegate.core import endpoints
from tidegate.core.clock import Clock
from tidegate.core.errors import MalformedAnswer, NotTranslatable
from tidegate.core.ids import IdSource, new_id
from tidegate.providers.base import Fitted, Provider
from tidegate.providers.target import Target
from tidegate.wire import chat, sse
from tidegate.wire.call import Call
from tidegate.wire.translate import chunk
from tidegate.wire.translate.request import chat_call
from tidegate.wire.translate.response_builder import Answer
from tidegate.wire.translate.unsupported import losses


def fitted_for(
    call: Call, target: Target, *, provider: Provider, clock: Clock, ids: IdSource = new_id
) -> "tuple[Fitted, Interpreter | None]":
    """The call as the target takes it, and its interpreter if it needs one. Raises what both of them raise."""
    interpreter = interpreter_for(call, target, provider=provider, clock=clock, ids=ids)
    if interpreter is None:
        return provider.fit(call, target), None
    fitted = provider.fit(interpreter.call, target)
    return msgspec.structs.replace(fitted, adapted=(*interpreter.losses, *fitted.adapted)), interpreter


def interpreter_for(
    call: Call, target: Target, *, provider: Provider, clock: Clock, ids: IdSource = new_id
) -> "Interpreter | None":
    """An interpreter where the provider does not speak the call's route, but speaks chat.

    Raises NotTranslatable or InvalidParameter where chat cannot say what the call says.
    """
    if call.route in provider.speaks:
        return None
    if call.route is not endpoints.RESPONSES or endpoints.CHAT not in provider.speaks:
        raise NotTranslatable(f"The target {target.name} does not answer on {call.route.path}.")
    return Interpreter(call, clock=clock, ids=ids, reasoning_field=provider.reasoning_field)


class Interpreter:
    """One attempt's interpreter."""

    def __init__(self, call: Call, *, clock: Clock, ids: IdSource, reasoning_field: str | None = None) -> None:
        """Raises NotTranslatable or InvalidParameter."""
        self.call = chat_call(call, reasoning_field=reasoning_field)
        """What to send."""
        self.losses = losses(call.body, reasoning_kept=reasoning_field is not None)
        """What was left out on the way, for the caller to be told."""
        self.route = call.route
        """The caller's."""
        self._asked = call
        self._ids = ids
        self._clock = clock
        self._reasoning_field = reasoning_field
        self._answer = Answer(call.body, response_id=ids("resp_"), model=call.model, created_at=clock.now())

    def again(self) -> "Interpreter":
        """Another for the same call, which has heard nothing yet."""
        return Interpreter(self._asked, clock=self._clock, ids=self._ids, reasoning_field=self._reasoning_field)

    def events(self, event: bytes) -> list[bytes]:
        """The events of a Response's stream that an event of the chat stream makes. Raises MalformedAnswer."""
        data = sse.data_of(event)
        if data is None:
            return []
        if sse.is_done(event):
            return _encoded(self._answer.end(at=self._clock.now()))
        said = chunk.decode(data)
        if said.complaint is not None:
            return [_error(said.complaint, self._answer.number)]
        return _encoded(self._answer.take(said))

    def end(self) -> list[bytes]:
        """The last events where the chat stream ended without `[DONE]`; none if it is not complete."""
        return _encoded(self._answer.end(at=self._clock.now())) if self._answer.finished else []

    def whole(self, body: bytes) -> bytes:
        """The Response that a chat completion in one piece is; an error is left as it is. Raises MalformedAnswer."""
        try:
            completion = msgspec.json.decode(body)
            if completion.get("error") is not None:
                return body
            chunks = chat.to_chunks(completion, cut=_uncut)
        except (msgspec.DecodeError, AttributeError, LookupError, TypeError, ValueError, RecursionError) as error:
            raise MalformedAnswer("The upstream's answer is no chat completion.") from error
        for piece in chunks:
            self._answer.take(chunk.convert(piece))
        told = self._answer.end(at=self._clock.now())
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
