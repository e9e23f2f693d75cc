"""Repeat a call without encrypted reasoning, where the upstream has none or cannot decrypt another account's. Pure.

`OpenAIExchange.read_refusal` calls this for each refusal of the Responses API.
"""

from typing import Any

import msgspec

from tidegate.core.endpoints import Format
from tidegate.core.errors import TidegateError
from tidegate.providers.base import ProviderRequest
from tidegate.providers.request_body import joined

_CODE = "invalid_encrypted_content"
_WORDS = ("encrypted content", "could not be")
_NOT_SUPPORTED = "encrypted content is not supported"
_INCLUDE = "reasoning.encrypted_content"

_decode_fields = msgspec.json.Decoder(dict[str, msgspec.Raw])
_decode_any = msgspec.json.Decoder()


def without_encrypted_reasoning(request: ProviderRequest, error: TidegateError) -> ProviderRequest | None:
    """Return the request without encrypted reasoning where only that was refused; else None."""
    detail = error.upstream_detail
    if (
        detail is None
        or detail.status != 400
        or request.endpoint.format is not Format.RESPONSES
        or request.new_translator is not None
    ):
        return None
    message = detail.message.lower()
    if _NOT_SUPPORTED in message:
        return _without_include(request)
    if detail.code == _CODE or all(part in message for part in _WORDS):
        return _without_encrypted_items(request)
    return None


def _without_include(request: ProviderRequest) -> ProviderRequest | None:
    fields = _decode_fields.decode(joined(request.body))
    include = _decode_any.decode(fields.get("include", b"null"))
    if not isinstance(include, list) or _INCLUDE not in include:
        return None
    return _with_body(
        request,
        {**fields, "include": [name for name in include if name != _INCLUDE]},
        "include: no encrypted reasoning",
    )


def _without_encrypted_items(request: ProviderRequest) -> ProviderRequest | None:
    body = joined(request.body)
    if b'"encrypted_content"' not in body:
        return None
    fields = _decode_fields.decode(body)
    items = _decode_any.decode(fields.get("input", b"null"))
    remaining = [item for item in items if not _is_encrypted(item)] if isinstance(items, list) else items
    return (
        None
        if remaining == items
        else _with_body(request, {**fields, "input": remaining}, "reasoning: encrypted for another account")
    )


def _with_body(request: ProviderRequest, fields: dict[str, Any], change: str) -> ProviderRequest:
    body = msgspec.json.encode(fields)
    return msgspec.structs.replace(request, body=body, adaptations=(*request.adaptations, change))


def _is_encrypted(item: Any) -> bool:
    return isinstance(item, dict) and item.get("type") == "reasoning" and bool(item.get("encrypted_content"))
