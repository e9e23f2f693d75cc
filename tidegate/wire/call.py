"""A request's body, decoded once: the values that the gateway reads, and the bytes to forward unchanged."""

import codecs
from collections.abc import Generator, Mapping
from typing import Any

import msgspec

from tidegate.core.endpoints import Endpoint, Format
from tidegate.core.errors import (
    BodyNotAnObject,
    BodyNotJson,
    EmptyBody,
    InvalidId,
    InvalidParameter,
    MissingParameter,
    WrongType,
)
from tidegate.core.process.heavy_turns import at_once
from tidegate.wire.charges.hosted_tools import TOOL_CALL_LIMIT
from tidegate.wire.field_names import check_field_names
from tidegate.wire.large_body import decode_in_steps, without_halves

_MAX_MODEL_NAME = 256
_PROMPT_PREFIX = "pmpt_"
LARGE_BYTES = 256 * 1024
"""To decode a smaller body takes about a millisecond; a larger one is decoded with care for the calls beside it."""
_DENSE_BYTES = 16 * 1024
_DENSE_CONTAINERS = 5_000
"""So many lists and objects take as long to decode as a large body."""
_SPARE_LEVELS = 64
"""Nesting levels that must remain free: documents built from the body nest deeper, and readers have limits, too."""
_FLAGS = {False: b"false", True: b"true"}
_OUTPUT_LIMITS = ("max_tokens", "max_completion_tokens", "max_output_tokens")
_NO_LIMITS = (None, None, None)
_JSON_FORMATS = ("json_object", "json_schema")


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """One inference call as the caller sent it."""

    endpoint: Endpoint
    body: dict[str, Any]
    """The decoded body; do not modify it."""
    raw: dict[str, msgspec.Raw]
    """The same, with each top-level value as the bytes that the caller sent."""
    model: str
    stream: bool
    wants_usage: bool
    """Whether the caller asked for the usage chunk of a chat stream."""
    end_user: str | None
    """`safety_identifier`, else `user`."""
    size: int = 0
    """Size of the body in bytes, as received."""
    decoded_in_steps: bool = False
    """Whether its body was too large, or had too many values, to be decoded at once."""
    names_prompt: bool = False
    """Whether it names a stored prompt instead of a model: `model` is the prompt's id, which stands for the prompt's
    own model."""
    is_translated: bool = False
    """Whether the body is a translation of the caller's request."""
    assumed_output: int | None = None
    """The output limit that the gateway added, in tokens; None where the caller's own limit, or none, is sent."""
    digests: Mapping[str, str] = {}
    """The hashes of the large values of a large call, as they are written, by their names."""
    additions: tuple[str, ...] = ()
    """The parameters that the gateway added to the caller's, each as `parameter: change`."""

    def upstream_body(self) -> bytes:
        """Return the body for the upstream: each field's bytes unchanged, and usage requested for streams."""
        return msgspec.json.encode(self.upstream_fields())

    def upstream_fields(self) -> dict[str, msgspec.Raw]:
        """Return the fields of `upstream_body`; do not modify them."""
        if self.endpoint.format is not Format.CHAT or not self.stream or self.wants_usage:
            return self.raw
        options = self.body.get("stream_options")
        stream_options = {**options, "include_usage": True} if isinstance(options, dict) else {"include_usage": True}
        return {**self.raw, "stream_options": msgspec.Raw(msgspec.json.encode(stream_options))}

    @property
    def is_heavy(self) -> bool:
        """Whether working on it holds up other calls."""
        return self.decoded_in_steps or self.size >= LARGE_BYTES

    @property
    def wants_json(self) -> bool:
        """Whether the answer's text shall be JSON."""
        text = self.body.get("text")
        form = text.get("format") if isinstance(text, dict) else self.body.get("response_format")
        return isinstance(form, dict) and form.get("type") in _JSON_FORMATS

    @property
    def forces_tool(self) -> bool:
        """Whether it names the tool that the model must call."""
        choice = self.body.get("tool_choice")
        return isinstance(choice, dict) and choice.get("type") in ("function", "custom")

    @property
    def is_limited(self) -> bool:
        """Whether the caller limited the answer's length."""
        return self.assumed_output is None and tuple(map(self.body.get, _OUTPUT_LIMITS)) != _NO_LIMITS

    def with_model(self, model: str) -> "Call":
        """Return the same call with another model."""
        raw = {**self.raw, "model": msgspec.Raw(msgspec.json.encode(model))}
        body = {**self.body, "model": model}
        return msgspec.structs.replace(self, model=model, body=body, raw=raw, names_prompt=False)

    def with_assumed_output(self, tokens: int) -> "Call":
        """Return the same call with an output limit of `tokens`, as if its caller had stated it."""
        name = self.endpoint.output_caps[0]
        raw = {**self.raw, name: msgspec.Raw(msgspec.json.encode(tokens))}
        return msgspec.structs.replace(self, body={**self.body, name: tokens}, raw=raw, assumed_output=tokens)

    def with_tool_call_limit(self, calls: int) -> "Call":
        """Return the same call with a limit of hosted tool calls, as if its caller had stated it."""
        raw = {**self.raw, TOOL_CALL_LIMIT: msgspec.Raw(str(calls).encode())}
        body = {**self.body, TOOL_CALL_LIMIT: calls}
        return msgspec.structs.replace(self, body=body, raw=raw, additions=(f"{TOOL_CALL_LIMIT}: set to {calls}",))

    def with_stream(self, *, stream: bool) -> "Call":
        """Return the same call with the answer as a stream, or as one body."""
        if stream == self.stream:
            return self
        raw = {name: value for name, value in self.raw.items() if name not in ("stream", "stream_options")}
        return msgspec.structs.replace(self, stream=stream, raw={**raw, "stream": msgspec.Raw(_FLAGS[stream])})


_decode_any = msgspec.json.Decoder()
_decode_raw = msgspec.json.Decoder(dict[str, msgspec.Raw])
_nesting_decoder = msgspec.json.Decoder(msgspec.Raw)


def parse(endpoint: Endpoint, data: bytes, *, model: str = "") -> Call:
    """Decode a body; `model` takes the place of the body's own.

    Raises EmptyBody, BodyNotJson, BodyNotAnObject or InvalidParameter.
    """
    if len(data) >= _DENSE_BYTES and is_heavy(data):
        return at_once(parse_in_steps(endpoint, data, model=model))
    if not data or data.isspace():
        raise EmptyBody
    body, raw = _decode(data)
    return _call(endpoint, body, raw, model=model, size=len(data))


def parse_in_steps(endpoint: Endpoint, data: bytes, *, model: str = "") -> Generator[None, None, Call]:
    """Decode a large body as `parse` does, in steps of some milliseconds. Raises the same."""
    if data.isspace():
        raise EmptyBody
    try:
        body, raw = yield from decode_in_steps(data, spare_levels=_SPARE_LEVELS)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _not_json(error, data) from error
    return msgspec.structs.replace(_call(endpoint, body, raw, model=model, size=len(data)), decoded_in_steps=True)


def is_heavy(data: bytes) -> bool:
    """Return whether to decode a body at once would hold up other calls."""
    if len(data) < _DENSE_BYTES:
        return False
    return len(data) >= LARGE_BYTES or data.count(b"[") + data.count(b"{") > _DENSE_CONTAINERS


def _call(endpoint: Endpoint, body: dict[str, Any], raw: dict[str, msgspec.Raw], *, model: str, size: int) -> Call:
    if model:
        body, raw = {**body, "model": model}, {**raw, "model": msgspec.Raw(msgspec.json.encode(model))}
    check_field_names(endpoint, body)
    stream = _flag(body, "stream") if "stream" in body else False
    if stream and not endpoint.streams:
        stream = False
    options = body.get("stream_options")
    user = body.get("safety_identifier") or body.get("user")
    return Call(
        endpoint=endpoint,
        body=body,
        raw=raw,
        model=_model_of(endpoint, body),
        stream=stream,
        wants_usage=isinstance(options, dict) and options.get("include_usage") is True,
        end_user=user if isinstance(user, str) else None,
        names_prompt=body.get("model") is None and endpoint.default_model is None,
        size=size,
    )


def _model_of(endpoint: Endpoint, body: dict[str, Any]) -> str:
    model = body.get("model")
    if model is None:
        model = endpoint.default_model or _prompt_of(endpoint, body)
    if model is None or model == "":
        raise MissingParameter.of("model")
    if not isinstance(model, str):
        raise WrongType.of("model", "a string", model)
    if len(model) > _MAX_MODEL_NAME:
        raise InvalidParameter(f"A model's name has at most {_MAX_MODEL_NAME} characters.", param="model")
    if not model.isprintable():
        raise InvalidParameter("A model's name has no line breaks and no control characters.", param="model")
    return model


def _prompt_of(endpoint: Endpoint, body: dict[str, Any]) -> Any:
    """Return the id of the stored prompt that a Responses call names, None if it names none. Raises InvalidId.

    The prefix keeps it apart from models, which keys may have a list of.
    """
    prompt = body.get("prompt")
    name = prompt.get("id") if endpoint.format is Format.RESPONSES and isinstance(prompt, dict) else None
    if isinstance(name, str) and not name.startswith(_PROMPT_PREFIX):
        raise InvalidId.of("prompt.id", name, _PROMPT_PREFIX)
    return name


def _flag(body: dict[str, Any], name: str) -> bool:
    value = body.get(name)
    if value is None or isinstance(value, bool):
        return bool(value)
    raise WrongType.of(name, "a boolean", value)


def read_object(data: bytes) -> dict[str, Any]:
    """Decode the body of a request that is not an inference call. Raises BodyNotJson and BodyNotAnObject."""
    return _decode(data)[0]


def _decode(data: bytes) -> tuple[dict[str, Any], dict[str, msgspec.Raw]]:
    try:
        try:
            body = _decode_any.decode(data)
        except msgspec.DecodeError:
            data = data.removeprefix(codecs.BOM_UTF8)  # Windows' clients send it
            data = without_halves(data)
            body = _decode_any.decode(data)
        if not isinstance(body, dict):
            raise BodyNotAnObject
        if data.count(b"[") + data.count(b"{") > _SPARE_LEVELS:
            _nesting_decoder.decode(b"[" * _SPARE_LEVELS + data + b"]" * _SPARE_LEVELS)
        return body, _decode_raw.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _not_json(error, data) from error


def _not_json(error: Exception, data: bytes) -> BodyNotJson:
    if isinstance(error, RecursionError):
        return BodyNotJson("The JSON body of your request is nested too deeply.")
    return BodyNotJson(f"We could not parse the JSON body of your request: {_reason(error, data)}.")


def _reason(error: Exception, data: bytes) -> str:
    if isinstance(error, UnicodeDecodeError) or data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "it is not UTF-8. Encode it as UTF-8 and send it again"
    return str(error)
