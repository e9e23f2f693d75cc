"""Sealed reasoning where an upstream has none, or cannot open another's: the call goes without it. Pure."""

from typing import Any

import msgspec

from tidegate.core.endpoints import Format
from tidegate.core.errors import TidegateError
from tidegate.providers.base import ProviderRequest

_CODE = "invalid_encrypted_content"
_WORDS = ("encrypted content", "could not be")
_NOT_SUPPORTED = "encrypted content is not supported"
_INCLUDE = "reasoning.encrypted_content"

_decode_fields = msgspec.json.Decoder(dict[str, msgspec.Raw])
_decode_any = msgspec.json.Decoder()


def without_encrypted_reasoning(request: ProviderRequest, error: TidegateError) -> ProviderRequest | None:
    """The call as it will pass where sealed reasoning was all that was in its way; None where it was not."""
    words = error.upstream_detail
    if (
        words is None
        or words.status != 400
        or request.endpoint.format is not Format.RESPONSES
        or request.new_translator is not None
    ):
        return None
    said = words.message.lower()
    if _NOT_SUPPORTED in said:
        return _without_include(request)
    if words.code == _CODE or all(part in said for part in _WORDS):
        return _without_encrypted_items(request)
    return None


def _without_include(fitted: ProviderRequest) -> ProviderRequest | None:
    fields = _decode_fields.decode(fitted.body)
    asked = _decode_any.decode(fields.get("include", b"null"))
    if not isinstance(asked, list) or _INCLUDE not in asked:
        return None
    include = [name for name in asked if name != _INCLUDE]
    return _with_body(fitted, {**fields, "include": include}, "include: no sealed reasoning")


def _without_encrypted_items(fitted: ProviderRequest) -> ProviderRequest | None:
    if b'"encrypted_content"' not in fitted.body:
        return None
    fields = _decode_fields.decode(fitted.body)
    items = _decode_any.decode(fields.get("input", b"null"))
    left = [item for item in items if not _is_encrypted(item)] if isinstance(items, list) else items
    return None if left == items else _with_body(fitted, {**fields, "input": left}, "reasoning: sealed by another")


def _with_body(fitted: ProviderRequest, fields: dict[str, Any], note: str) -> ProviderRequest:
    body = msgspec.json.encode(fields)
    return msgspec.structs.replace(fitted, body=body, adaptations=(*fitted.adaptations, note))


def _is_encrypted(item: Any) -> bool:
    return isinstance(item, dict) and item.get("type") == "reasoning" and bool(item.get("encrypted_content"))
