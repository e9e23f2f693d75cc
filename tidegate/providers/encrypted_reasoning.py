"""Sealed reasoning where an upstream has none, or cannot open another's: the call goes without it. Pure."""

from typing import Any

import msgspec

from tidegate.core.endpoints import Format
from tidegate.core.errors import TidegateError
from tidegate.providers.base import Fitted

_CODE = "invalid_encrypted_content"
_WORDS = ("encrypted content", "could not be")
_UNHEARD_OF = "encrypted content is not supported"
_ASKED = "reasoning.encrypted_content"

_decode_fields = msgspec.json.Decoder(dict[str, msgspec.Raw])
_decode_any = msgspec.json.Decoder()


def mended(fitted: Fitted, error: TidegateError) -> Fitted | None:
    """The call as it will pass where sealed reasoning was all that was in its way; None where it was not."""
    words = error.words
    if words is None or words.status != 400 or fitted.route.format is not Format.RESPONSES:
        return None
    said = words.message.lower()
    if _UNHEARD_OF in said:
        return _not_asking(fitted)
    if words.code == _CODE or all(part in said for part in _WORDS):
        return _unsealed(fitted)
    return None


def _not_asking(fitted: Fitted) -> Fitted | None:
    fields = _decode_fields.decode(fitted.body)
    asked = _decode_any.decode(fields.get("include", b"null"))
    if not isinstance(asked, list) or _ASKED not in asked:
        return None
    include = [name for name in asked if name != _ASKED]
    return _with(fitted, {**fields, "include": include}, "include: no sealed reasoning")


def _unsealed(fitted: Fitted) -> Fitted | None:
    if b'"encrypted_content"' not in fitted.body:
        return None
    fields = _decode_fields.decode(fitted.body)
    items = _decode_any.decode(fields.get("input", b"null"))
    left = [item for item in items if not _is_sealed(item)] if isinstance(items, list) else items
    return None if left == items else _with(fitted, {**fields, "input": left}, "reasoning: sealed by another")


def _with(fitted: Fitted, fields: dict[str, Any], note: str) -> Fitted:
    body = msgspec.json.encode(fields)
    return msgspec.structs.replace(fitted, body=body, adapted=(*fitted.adapted, note))


def _is_sealed(item: Any) -> bool:
    return isinstance(item, dict) and item.get("type") == "reasoning" and bool(item.get("encrypted_content"))
