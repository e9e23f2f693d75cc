"""Turns a stateful call into one that a stateless upstream can answer. Called by the history loader."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from tidegate.conversations.documents.items import (
    compacted_items,
    type_of,
    upstream_items,
    without_dangling_reasoning,
)
from tidegate.conversations.state_params import ENCRYPTED_REASONING, needs_stored_content
from tidegate.core.errors import ItemNotFound
from tidegate.wire.call import Call

Json = dict[str, Any]

_decode = msgspec.json.Decoder()
_GATEWAY_FIELDS = ("previous_response_id", "conversation", "metadata", "background", "store")
"""Fields that are addressed to the gateway and do not go upstream."""
_REASONING_MODELS = ("o1", "o3", "o4", "gpt-5", "gpt-6", "gpt-oss", "codex", "computer-use")
_NOT_REASONING_MODELS = ("gpt-5-chat", "gpt-5.1-chat", "gpt-5.2-chat", "gpt-5.3-chat", "o1-mini", "o1-preview")


def referenced_ids(input_items: Sequence[Json]) -> list[str]:
    """Return the ids of stored items that an input needs: references, and reasoning whose content is stored here."""
    item_ids = [item.get("id") for item in input_items if needs_stored_content(item) and type_of(item) != "compaction"]
    return [name for name in item_ids if isinstance(name, str)]


def resolve_references(input_items: Sequence[Json], stored_items: Mapping[str, Json]) -> list[Json]:
    """Return the input with each reference replaced by its item. Raises ItemNotFound."""
    return [_resolve(item, stored_items) for item in input_items]


def _resolve(item: Json, stored_items: Mapping[str, Json]) -> Json:
    name = item.get("id")
    stored_item = stored_items.get(name) if isinstance(name, str) else None
    if type_of(item) == "item_reference":
        if stored_item is None:
            raise ItemNotFound(f"Item with id '{str(name)[:64]}' not found.", param="input")
        return stored_item
    return (
        stored_item
        if stored_item is not None and needs_stored_content(item) and not item.get("encrypted_content")
        else item
    )


def uses_stored_items(input_items: Sequence[Json], original_input: Any) -> bool:
    """Return whether resolving references changed the input, or the input has a compaction of this gateway."""
    return list(input_items) != original_input or any(
        item.get("type") == "compaction" and compacted_items(item) is not None for item in input_items
    )


def stateless_chat(call: Call) -> Call:
    """Return the call of a completion that is stored by the gateway and not upstream."""
    return _with_changes(call, {}, leave_out=("store", "metadata"))


def stateless_response(call: Call, *, history: Sequence[bytes], input_items: Sequence[Json] | None) -> Call:
    """Return the call of a response that is stored by the gateway or continues a stored one.

    `history` holds the earlier items in the upstream's form, as JSON. `input_items` are the items of this turn, or None
    for an input that goes upstream unchanged.
    """
    changes: Json = {"store": False}
    include = call.body.get("include") or []
    if uses_reasoning(call) and ENCRYPTED_REASONING not in include:
        changes["include"] = [*include, ENCRYPTED_REASONING]
    changed = _with_changes(call, changes, leave_out=_GATEWAY_FIELDS)
    if not history and input_items is None:
        return changed
    new = upstream_items(input_items or ())
    encoded_input = b"[" + b",".join([*history, *map(msgspec.json.encode, new)]) + b"]"
    items = _decode.decode(encoded_input)
    past = items[: len(items) - len(new)]
    usable = without_dangling_reasoning(past, new[0] if new else None)
    if len(usable) < len(past):
        items = [*usable, *new]
        encoded_input = msgspec.json.encode(items)
    return msgspec.structs.replace(
        changed,
        body={**changed.body, "input": items},
        raw={**changed.raw, "input": msgspec.Raw(encoded_input)},
        size=call.size + len(encoded_input),
    )


def uses_reasoning(call: Call) -> bool:
    """Return whether the model reasons, so that encrypted reasoning can be requested."""
    return bool(call.body.get("reasoning")) or is_reasoning_model(call.model)


def is_reasoning_model(model: str) -> bool:
    """Return whether a model of this name reasons."""
    name = model.rpartition("/")[2]
    name = name.split(":")[1] if name.startswith("ft:") and ":" in name[3:] else name
    return name.startswith(_REASONING_MODELS) and not name.startswith(_NOT_REASONING_MODELS)


def _with_changes(call: Call, changes: Json, *, leave_out: tuple[str, ...]) -> Call:
    encoded = {name: msgspec.Raw(msgspec.json.encode(value)) for name, value in changes.items()}
    raw = {**{name: value for name, value in call.raw.items() if name not in leave_out}, **encoded}
    body = {**{name: value for name, value in call.body.items() if name not in leave_out}, **changes}
    return msgspec.structs.replace(call, body=body, raw=raw)
