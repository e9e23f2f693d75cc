"""The values of one call that passes through: the request as it came, and what its body says."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol

import msgspec

from tidegate.core.process.call_memory import MemoryHold
from tidegate.core.values import Caller
from tidegate.pipeline.call_record import CallRecord
from tidegate.providers.request_body import RequestBody
from tidegate.wire.operations.operation import MatchedOperation


class UploadSource(Protocol):
    """A request's body that is read as it arrives: a `ClientExchange`."""

    async def read(self) -> tuple[bytes, bool]:
        """Return what has arrived since the last call, and whether that is the end. Raises ClientDisconnected."""
        ...


class PassthroughRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A request to an operation, as it came."""

    id: str
    match: MatchedOperation
    method: str
    path: str
    """OpenAI's path, with the values of its parameters, and its query."""
    headers: Mapping[str, str]
    """All headers, names in lower case."""
    source: UploadSource
    """The body, as it arrives."""
    read_whole: Callable[[Caller], Awaitable[bytes]]
    """Reads the body whole, within its limits and the memory of `hold`."""
    hold: MemoryHold
    record: CallRecord | None = None
    """What becomes of the call, where calls are observed."""

    def __repr__(self) -> str:
        return f"PassthroughRequest({self.id}, {self.match.operation.label})"  # the headers hold the caller's key


class BodyFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a request's body."""

    values: Mapping[str, Any] = {}
    """The fields of its JSON object, or of its form as texts."""
    models: tuple[str, ...] = ()
    """All models that it names."""
    document: bytes = b""
    """Its JSON, as it came."""
    fields: tuple[tuple[str, str], ...] = ()
    """The fields of its form, also those of equal names."""
    is_whole: bool = True
    """Whether all of its fields have come; those of a form that streams come later."""

    @property
    def model(self) -> str:
        """The model that it names first; empty where it names none."""
        return self.models[0] if self.models else ""

    @property
    def end_user(self) -> str | None:
        """`safety_identifier`, else `user`."""
        found = (self.values.get(name) for name in ("safety_identifier", "user"))
        return next((value for value in found if isinstance(value, str) and value), None)

    @property
    def stream(self) -> bool:
        """Whether it asks for a stream."""
        return self.values.get("stream") in (True, "true")


NO_FACTS = BodyFacts()


class ReadBody(msgspec.Struct, frozen=True, kw_only=True):
    """A request's body on its way upstream."""

    body: RequestBody | None
    content_type: str | None
    facts: Callable[[], BodyFacts]
    """Returns what is known of it by now."""

    adds_usage: bool = False
    """Whether the stream's usage was requested in the caller's place, who must not receive it."""

    @property
    def can_be_sent_again(self) -> bool:
        """Whether the body is still there after it was sent."""
        return self.body is None or isinstance(self.body, bytes | tuple)


_raw_decoder = msgspec.json.Decoder(dict[str, msgspec.Raw])


def lacks_usage(values: Mapping[str, Any]) -> bool:
    """Return whether a body asks for a stream that would not state its usage."""
    options = values.get("stream_options")
    return values.get("stream") is True and not (isinstance(options, dict) and options.get("include_usage"))


def with_usage(data: bytes) -> bytes:
    """Return the JSON object of a body that asks for a stream, with the wish for its usage; the rest is unchanged."""
    fields = _raw_decoder.decode(data)
    stated = fields.get("stream_options")
    options = msgspec.json.decode(stated) if stated is not None else None
    wanted = {**(options if isinstance(options, dict) else {}), "include_usage": True}
    return msgspec.json.encode({**fields, "stream_options": wanted})


_DEEPEST = 32
_MOST_VALUES = 100_000


def models_in(document: Mapping[str, Any]) -> tuple[str, ...]:
    """Return each text that stands under the key `model`, at any depth, the outermost first.

    Evals, graders and fine-tuning jobs name models inside their objects.
    """
    found: dict[str, None] = {}
    level: list[Any] = [document]
    for _ in range(_DEEPEST):
        below: list[Any] = []
        for value in level:
            if isinstance(value, dict):
                if isinstance(model := value.get("model"), str):
                    found.setdefault(model)
                below += value.values()
            elif isinstance(value, list):
                below += value
        level = [value for value in below if isinstance(value, dict | list)][:_MOST_VALUES]
        if not level:
            break
    return tuple(found)
