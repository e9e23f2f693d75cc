"""A request's body, decoded once: what the gateway needs to know of it, and the parts to forward untouched."""

import re
from typing import Any

import msgspec

from tidegate.core.endpoints import Endpoint, Format
from tidegate.core.errors import BodyNotAnObject, BodyNotJson, EmptyBody, InvalidParameter, MissingParameter, WrongType

_LONGEST_MODEL_NAME = 256
_MARGIN = 64
"""Levels that a body could have besides its own: what is built of it goes deeper, and so do those who read it."""
_FLAGS = {False: b"false", True: b"true"}

# an escaped backslash, a whole surrogate pair, or half of one: only the last is replaced
_SURROGATES = re.compile(
    rb"\\\\|\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(\\u[dD][89a-fA-F][0-9a-fA-F]{2})"
)


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """One inference call as the caller sent it."""

    endpoint: Endpoint
    body: dict[str, Any]
    """The decoded body; read it, never change it."""
    raw: dict[str, msgspec.Raw]
    """The same, each top-level value as the bytes it came in as."""
    model: str
    stream: bool
    wants_usage: bool
    """Whether the caller asked for the usage chunk of a chat stream."""
    end_user: str | None
    """`safety_identifier`, else `user`."""
    size: int = 0
    """Bytes, as it came."""
    is_translated: bool = False
    """Its words are not the caller's own, but those of a translation."""

    def upstream_body(self) -> bytes:
        """The body for the upstream: every field's bytes as they came, each key once, streams asked for their usage."""
        return msgspec.json.encode(self.upstream_fields())

    def upstream_fields(self) -> dict[str, msgspec.Raw]:
        """The same, field by field; read it, never change it."""
        if self.endpoint.format is not Format.CHAT or not self.stream or self.wants_usage:
            return self.raw
        options = self.body.get("stream_options")
        asked = {**options, "include_usage": True} if isinstance(options, dict) else {"include_usage": True}
        return {**self.raw, "stream_options": msgspec.Raw(msgspec.json.encode(asked))}

    def with_model(self, model: str) -> "Call":
        """The same question to another model."""
        raw = {**self.raw, "model": msgspec.Raw(msgspec.json.encode(model))}
        return msgspec.structs.replace(self, model=model, body={**self.body, "model": model}, raw=raw)

    def with_stream(self, *, stream: bool) -> "Call":
        """The same question, asked for as a stream or whole."""
        if stream == self.stream:
            return self
        raw = {name: value for name, value in self.raw.items() if name not in ("stream", "stream_options")}
        return msgspec.structs.replace(self, stream=stream, raw={**raw, "stream": msgspec.Raw(_FLAGS[stream])})


_decode_raw = msgspec.json.Decoder(dict[str, msgspec.Raw])
_decode_any = msgspec.json.Decoder()
_skim = msgspec.json.Decoder(msgspec.Raw)


def parse(endpoint: Endpoint, data: bytes) -> Call:
    """Read a body. Raises EmptyBody, BodyNotJson, BodyNotAnObject or InvalidParameter."""
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
    if len(model) > _LONGEST_MODEL_NAME:
        raise InvalidParameter(f"A model's name has at most {_LONGEST_MODEL_NAME} characters.", param="model")
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
    """A body that is no call. Raises BodyNotJson and BodyNotAnObject."""
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
        if data.count(b"[") + data.count(b"{") > _MARGIN:
            _skim.decode(b"[" * _MARGIN + data + b"]" * _MARGIN)
        return body, _decode_raw.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BodyNotJson(f"We could not parse the JSON body of your request: {error}.") from error
    except RecursionError as error:
        raise BodyNotJson("The JSON body of your request is nested too deeply.") from error
