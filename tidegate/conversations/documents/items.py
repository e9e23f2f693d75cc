"""The items of a conversation, in three forms: as callers send them, as they are stored, and as they go upstream."""

import base64
import binascii
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import msgspec

from tidegate.core.errors import InvalidParameter, WrongType
from tidegate.core.ids import IdSource

Json = dict[str, Any]

_PREFIXES = {
    "message": "msg_",
    "reasoning": "rs_",
    "compaction": "cmp_",
    "function_call": "fc_",
    "function_call_output": "fco_",
    "custom_tool_call": "ctc_",
    "custom_tool_call_output": "ctco_",
    "web_search_call": "ws_",
    "file_search_call": "fs_",
    "image_generation_call": "ig_",
    "code_interpreter_call": "ci_",
    "computer_call": "cu_",
    "computer_call_output": "cuo_",
    "local_shell_call": "lsh_",
    "local_shell_call_output": "lsho_",
    "shell_call": "sh_",
    "shell_call_output": "sho_",
    "apply_patch_call": "apc_",
    "apply_patch_call_output": "apco_",
    "tool_search_call": "tsc_",
    "tool_search_output": "tso_",
    "mcp_list_tools": "mcpl_",
    "mcp_call": "mcp_",
    "mcp_approval_request": "mcpr_",
    "mcp_approval_response": "mcpa_",
}
_PREFIX_OF_OTHERS = "item_"
_WITHOUT_STATUS = frozenset(
    {
        "reasoning",
        "compaction",
        "mcp_list_tools",
        "mcp_approval_request",
        "mcp_approval_response",
        "additional_tools",
        "configuration_update",
        "program",
    }
)
"""Types of items that have no status."""
_KEEPS_UPSTREAM_ID = frozenset({"reasoning", "compaction", "program"})
"""Types of items that keep the upstream's id: their content is encrypted together with it."""
_MAX_ID_LENGTH = 256
_TEXT_FIELDS = ("id", "type", "role", "status")
SENT_WITHOUT_ID = frozenset({"message", "function_call", "function_call_output"})
"""Types of items that go upstream without an id.

With an id of the gateway, the upstream would look for a stored item.
"""
_COMPACTION_PREFIX = "tg1."
"""Prefix of the content of a compaction that a gateway of this kind made."""
_MAX_COMPACTION_BYTES = 32 * 1024 * 1024
"""The most bytes that a compaction may unpack to."""
_DAMAGED = "The compaction's `encrypted_content` is damaged: send it as it was given."

_decode_item = msgspec.json.Decoder(dict[str, Any])
_decode_items = msgspec.json.Decoder(list[dict[str, Any]])


def input_items(value: Any, param: str = "input") -> list[Json]:
    """Return the `input` of a call (or another `param`) as a list of items. Raises WrongType and InvalidParameter."""
    if value is None:
        return []
    if isinstance(value, str):
        return [{"type": "message", "role": "user", "content": value}]
    if not isinstance(value, list):
        raise WrongType.of(param, "a string or an array of items", value)
    for number, item in enumerate(value):
        _check(item, f"{param}[{number}]")
    return value


def _check(item: Any, where: str) -> None:
    if not isinstance(item, dict):
        raise WrongType.of(where, "an object", item)
    for name in _TEXT_FIELDS:
        if name in item and not isinstance(item[name], str | None):
            raise WrongType.of(f"{where}.{name}", "a string", item[name])
    if not type_of(item):
        raise InvalidParameter(f"`{where}` has a `type`, or at least a `role`.", param=where)


def type_of(item: Mapping[str, Any]) -> str:
    """Return an item's type, which messages and references may leave out."""
    kind = item.get("type")
    if isinstance(kind, str):
        return kind
    return "message" if "role" in item else "item_reference" if "id" in item else ""


def new_item_id(kind: str, ids: IdSource) -> str:
    """Return a new id for an item of this type."""
    return ids(_PREFIXES.get(kind, _PREFIX_OF_OTHERS))


def stored_id(item: Mapping[str, Any], ids: IdSource) -> str:
    """Return the id under which an item is stored: its own id where its content is bound to it, else a new one."""
    own = item.get("id")
    if type_of(item) in _KEEPS_UPSTREAM_ID and isinstance(own, str) and 0 < len(own) <= _MAX_ID_LENGTH:
        return own
    return new_item_id(type_of(item), ids)


def stored_item(item: Mapping[str, Any], ids: IdSource) -> Json:
    """Return a caller's item as it is stored and listed: with a new id, its type, its status and its parts."""
    kind = type_of(item)
    plain = {name: value for name, value in item.items() if name not in ("id", "type")}
    full: Json = {"id": stored_id(item, ids), "type": kind, **plain}
    if kind == "message":
        full["content"] = list(_parts(item))
    elif isinstance(output := full.get("output"), list):  # a tool's output, where it is more than a text
        full["output"] = [_complete_image(part) for part in output]
    if kind not in _WITHOUT_STATUS and full.get("status") is None:
        full["status"] = "completed"
    return full


def _parts(message: Mapping[str, Any]) -> Iterator[Json]:
    content = message.get("content")
    spoken = message.get("role") == "assistant"
    if isinstance(content, str):
        content = [{"type": "output_text" if spoken else "input_text", "text": content}]
    for part in content if isinstance(content, list) else ():
        match part.get("type") if isinstance(part, dict) else None:
            case "output_text":
                yield {"annotations": [], "logprobs": [], **part}
            case "input_image":
                yield _complete_image(part)
            case None:
                continue
            case _:
                yield part


def _complete_image(part: Any) -> Any:
    return {"detail": "auto", **part} if isinstance(part, dict) and part.get("type") == "input_image" else part


def upstream_items(items: Iterable[Json]) -> list[Json]:
    """Return items in the form for an upstream that stores nothing.

    Reasoning without content is left out: the upstream would look for it among its own stored items.
    """
    return [plain for item in items for plain in _without_stored_fields(item) if not _is_unusable(plain)]


def encoded_upstream_items(document: bytes) -> list[bytes]:
    """Return the same for one stored item, JSON in and out."""
    return [msgspec.json.encode(plain) for plain in upstream_items([_decode_item.decode(document)])]


def without_dangling_reasoning(items: Sequence[Json], following: Mapping[str, Any] | None = None) -> list[Json]:
    """Return items without the reasoning that led to nothing: a limit on tokens cut the answer, or it was cancelled.

    The upstream refuses such an item, and with it every later turn. `following` comes after the items.
    """
    kept: list[Json] = []
    after = following
    for item in reversed(items):
        if item.get("type") == "reasoning" and not _is_of_the_model(after):
            continue
        kept.append(item)
        after = item
    return kept[::-1]


def _is_of_the_model(item: Mapping[str, Any] | None) -> bool:
    if item is None or type_of(item).endswith("_output"):
        return False
    return type_of(item) != "message" or item.get("role") == "assistant"


def _is_unusable(item: Mapping[str, Any]) -> bool:
    return item.get("type") == "reasoning" and not item.get("encrypted_content") and not item.get("content")


def _without_stored_fields(item: Json) -> list[Json]:
    kind = item.get("type")
    if kind == "compaction" and (said := compacted_items(item)) is not None:
        return said
    if kind == "reasoning":
        return [{name: value for name, value in item.items() if name != "status"}]
    if kind in SENT_WITHOUT_ID:
        return [{name: value for name, value in item.items() if name not in ("id", "status")}]
    return [item]


def compaction_item(items: list[Json], ids: IdSource) -> Json:
    """Return the item that stands for `items`, in a form that only gateways of this kind can read."""
    packed = base64.urlsafe_b64encode(zlib.compress(msgspec.json.encode(items))).decode()
    return {
        "id": new_item_id("compaction", ids),
        "type": "compaction",
        "encrypted_content": _COMPACTION_PREFIX + packed,
    }


def compacted_items(item: Mapping[str, Any]) -> list[Json] | None:
    """Return the items of a compaction that a gateway of this kind made, else None.

    Raises InvalidParameter if it is damaged.
    """
    content = item.get("encrypted_content")
    if not isinstance(content, str) or not content.startswith(_COMPACTION_PREFIX):
        return None
    unpacking = zlib.decompressobj()
    try:
        packed = base64.urlsafe_b64decode(content.removeprefix(_COMPACTION_PREFIX))
        items = _decode_items.decode(unpacking.decompress(packed, _MAX_COMPACTION_BYTES))
    except (binascii.Error, zlib.error, ValueError) as error:
        raise InvalidParameter(_DAMAGED, param="input") from error
    if not unpacking.eof:
        raise InvalidParameter(_DAMAGED, param="input")
    return items
