"""A request's body, decoded once: the values that the gateway reads, and the bytes to forward unchanged."""

import re
from typing import Any

import msgspec

from tidegate.core.endpoints import Endpoint, Format
from tidegate.core.errors import BodyNotAnObject, BodyNotJson, EmptyBody, InvalidParameter, MissingParameter, WrongType

_MAX_MODEL_NAME = 256
_SPARE_LEVELS = 64
"""Nesting levels that must remain free: documents built from the body nest deeper, and readers have limits, too."""
_FLAGS = {False: b"false", True: b"true"}

# an escaped backslash, a whole surrogate pair, or half of one: only the last is replaced
_SURROGATES = re.compile(
    rb"\\\\|\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(\\u[dD][89a-fA-F][0-9a-fA-F]{2})"
)


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
    is_translated: bool = False
    """Whether the body is a translation of the caller's request."""

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

    def with_model(self, model: str) -> "Call":
        """Return the same call with another model."""
        raw = {**self.raw, "model": msgspec.Raw(msgspec.json.encode(model))}
        return msgspec.structs.replace(self, model=model, body={**self.body, "model": model}, raw=raw)

    def with_stream(self, *, stream: bool) -> "Call":
        """Return the same call with the answer as a stream, or as one body."""
        if stream == self.stream:
            return self
        raw = {name: value for name, value in self.raw.items() if name not in ("stream", "stream_options")}
        return msgspec.structs.replace(self, stream=stream, raw={**raw, "stream": msgspec.Raw(_FLAGS[stream])})


_decode_raw = msgspec.json.Decoder(dict[str, msgspec.Raw])
_decode_any = msgspec.json.Decoder()
_nesting_decoder = msgspec.json.Decoder(msgspec.Raw)


def parse(endpoint: Endpoint, data: bytes) -> Call:
    """Decode a body. Raises EmptyBody, BodyNotJson, BodyNotAnObject or InvalidParameter."""
    if not data.strip():
        raise EmptyBody
    body, raw = _decode(data)
    model = body.get("model")
    if model is None:
        model = endpoint.default_model
    if model is None or model == "":
        raise MissingParameter.of("model")
    if not isinstance(model, str):
        raise WrongType.of("model", "a string", model)
    if len(model) > _MAX_MODEL_NAME:
        raise InvalidParameter(f"A model's name has at most {_MAX_MODEL_NAME} characters.", param="model")
    if not model.isprintable():
        raise InvalidParameter("A model's name has no line breaks and no control characters.", param="model")
    stream = _flag(body, "stream")
    if stream and not endpoint.streams:
        stream = False
    options = body.get("stream_options")
    user = body.get("safety_identifier") or body.get("user")
    return Call(
        endpoint=endpoint,
        body=body,
        raw=raw,
        model=model,
        stream=stream,
        wants_usage=isinstance(options, dict) and options.get("include_usage") is True,
        end_user=user if isinstance(user, str) else None,
        size=len(data),
    )


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
            # half a surrogate pair, as JavaScript leaves where it cuts an emoji, cannot be text anywhere:
            # it becomes U+FFFD instead of an error; anything else fails again
            data = _SURROGATES.sub(lambda half: rb"\ufffd" if half[1] else half[0], data)
            body = _decode_any.decode(data)
        if not isinstance(body, dict):
            raise BodyNotAnObject
        if data.count(b"[") + data.count(b"{") > _SPARE_LEVELS:
            _nesting_decoder.decode(b"[" * _SPARE_LEVELS + data + b"]" * _SPARE_LEVELS)
        return body, _decode_raw.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BodyNotJson(f"We could not parse the JSON body of your request: {error}.") from error
    except RecursionError as error:
        raise BodyNotJson("The JSON body of your request is nested too deeply.") from error
