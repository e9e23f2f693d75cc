"""Reasoning that one upstream sealed and another cannot open: it is left out rather than the turn refused. Pure."""

from typing import Any

import msgspec

from tidegate.core.errors import TidegateError
from tidegate.core.values import Route
from tidegate.upstream.provider import Fitted

NOTE = "reasoning: sealed by another"
_CODE = "invalid_encrypted_content"
_WORDS = ("encrypted content", "could not be")

_decode_fields = msgspec.json.Decoder(dict[str, msgspec.Raw])
_decode_any = msgspec.json.Decoder()


def is_foreign(error: TidegateError) -> bool:
    """Whether an upstream says that it cannot open what the call brings."""
    words = error.words
    if words is None or words.status != 400:
        return False
    return words.code == _CODE or all(part in words.message.lower() for part in _WORDS)


def unsealed(fitted: Fitted) -> Fitted | None:
    """The call without sealed reasoning; None where there is none in it."""
    if fitted.route is not Route.RESPONSES or b'"encrypted_content"' not in fitted.body:
        return None
    fields = _decode_fields.decode(fitted.body)
    items = _decode_any.decode(fields.get("input", b"null"))
    left = [item for item in items if not _is_sealed(item)] if isinstance(items, list) else items
    if left == items:
        return None
    body = msgspec.json.encode({**fields, "input": left})
    return msgspec.structs.replace(fitted, body=body, adapted=(*fitted.adapted, NOTE))


def _is_sealed(item: Any) -> bool:
    return isinstance(item, dict) and item.get("type") == "reasoning" and bool(item.get("encrypted_content"))
