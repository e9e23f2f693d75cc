"""The values of one call that passes through: the request as it came, and what its body says."""

import codecs
import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol

import msgspec

from tidegate.core.errors import BodyNotJson, InvalidParameter
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


_MAX_DEPTH = 200
"""Objects and lists within each other."""


def models_in(data: bytes) -> tuple[str, ...]:
    """Return each text that stands under the key `model` in a JSON body, at any depth, the outermost first.

    Evals, graders and fine-tuning jobs name models inside their objects. Raises BodyNotJson for what cannot be read,
    and InvalidParameter where one object names two models: which of them the upstream would take is not known.
    """
    if b"model" not in data and b"\\u" not in data:
        return ()
    found: dict[str, None] = {}
    level = [_as_pairs(data)]
    for _ in range(_MAX_DEPTH):
        below: list[Any] = []
        for value in level:
            if isinstance(value, tuple):
                found.update(dict.fromkeys(_stated_models(value)))
                below += [each for _, each in value]
            else:
                below += value
        level = [value for value in below if isinstance(value, tuple | list)]
        if not level:
            return tuple(found)
    raise BodyNotJson(f"The body has more than {_MAX_DEPTH} levels, so it was not sent. Send fewer.")


def _as_pairs(data: bytes) -> Any:
    """Return a JSON body whose objects are tuples of pairs: a key may stand twice."""
    try:
        return json.loads(data.removeprefix(codecs.BOM_UTF8).decode(), object_pairs_hook=tuple)
    except (ValueError, RecursionError) as error:
        raise BodyNotJson(f"The body cannot be read as JSON, so it was not sent: {type(error).__name__}.") from error


def _stated_models(pairs: tuple[tuple[str, Any], ...]) -> list[str]:
    models = [value for key, value in pairs if key == "model"]
    if len(models) > 1 and models != models[:1] * len(models):
        raise InvalidParameter("The body names two models in one object, so it was not sent. Name one.", param="model")
    return [model for model in models if isinstance(model, str)]
