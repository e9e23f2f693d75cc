"""Reads the parameters of a call that concern stored state. Called by the history loader."""

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from tidegate.conversations.documents.items import type_of
from tidegate.core.endpoints import Format
from tidegate.core.errors import (
    InvalidId,
    InvalidParameter,
    MutuallyExclusive,
    PropertyNameTooLong,
    StringTooLong,
    TooManyProperties,
    UnsupportedParameter,
    WrongType,
)
from tidegate.wire.call import Call

MAX_METADATA_PAIRS = 16
MAX_METADATA_KEY_LENGTH = 64
MAX_METADATA_VALUE_LENGTH = 512
_ID_PATTERN = re.compile(r"[A-Za-z0-9_-]{1,64}", re.ASCII)
_ITEM_ID_PATTERN = re.compile(r"[!-~]{1,256}", re.ASCII)

ENCRYPTED_REASONING = "reasoning.encrypted_content"


class StateParams(msgspec.Struct, frozen=True, kw_only=True):
    """The parameters of a call that concern stored state."""

    store: bool
    background: bool = False
    previous_response_id: str | None = None
    """The response that the call continues."""
    conversation: str | None = None
    """The conversation in which the call is a turn."""
    metadata: Mapping[str, str] = {}
    include: frozenset[str] = frozenset()
    """The optional parts of the answer that the caller wants."""
    has_references: bool = False
    """Whether its input may refer to stored items."""

    @property
    def is_stateful(self) -> bool:
        """Return whether its answer is stored, or it continues a stored one."""
        return self.store or self.previous_response_id is not None or self.conversation is not None


def read_state_params(call: Call) -> StateParams | None:
    """Return the state parameters of `call`; None if it has none.

    Raises InvalidParameter, MutuallyExclusive or UnsupportedParameter.
    """
    if call.endpoint.format is Format.CHAT:
        return _read_chat(call.body) if "store" in call.body else None
    return _read_response(call.body) if call.endpoint.format is Format.RESPONSES else None


def _read_chat(body: Mapping[str, Any]) -> StateParams | None:
    if not _flag(body, "store", default=False):
        return None
    return StateParams(store=True, metadata=metadata_in(body))


def _read_response(body: Mapping[str, Any]) -> StateParams | None:
    state_params = StateParams(
        store=_flag(body, "store", default=True),
        background=_flag(body, "background", default=False),
        previous_response_id=_id_in(body.get("previous_response_id"), "previous_response_id", "resp"),
        conversation=conversation_in(body),
        metadata=metadata_in(body),
        include=frozenset(include_in(body.get("include"))),
        has_references=_has_references(body.get("input")),
    )
    if state_params.previous_response_id and state_params.conversation:
        raise MutuallyExclusive(
            "Mutually exclusive parameters: 'previous_response_id' and 'conversation'. Ensure you are only providing "
            "one of: 'previous_response_id' or 'conversation'.",
            param="previous_response_id",
        )
    if state_params.background and not state_params.store:
        raise UnsupportedParameter(
            "Unsupported parameter: 'background' needs `store` to be true, because its answer is fetched later.",
            param="background",
        )
    return state_params if state_params.is_stateful or state_params.has_references else None


def conversation_in(body: Mapping[str, Any]) -> str | None:
    """Return the conversation's id from a body, which has it as a text or within an object."""
    value = body.get("conversation")
    if isinstance(value, dict):
        value = value.get("id")
        value = "" if value is None else value  # an object without an id is an error, and not an absent conversation
    return _id_in(value, "conversation", "conv")


def checked_id(value: str, param: str, prefix: str) -> str:
    """Return an id from a path or a body. Raises InvalidId for a text that cannot be such an id."""
    if value.startswith(prefix) and _ID_PATTERN.fullmatch(value):
        return value
    raise InvalidId.of(param, value, prefix)


def checked_item_id(value: str, param: str) -> str:
    """Return an item's id, which may be the upstream's. Raises InvalidParameter for a text that cannot be one."""
    if _ITEM_ID_PATTERN.fullmatch(value):
        return value
    raise InvalidParameter(f"Invalid '{param}': it is no id of an item.", param=param)


def metadata_in(body: Mapping[str, Any]) -> dict[str, str]:
    """Return a body's `metadata`, within OpenAI's limits.

    Raises WrongType, TooManyProperties, PropertyNameTooLong or StringTooLong.
    """
    metadata = body.get("metadata")
    if metadata is None:
        return {}
    if not isinstance(metadata, dict):
        raise WrongType.of("metadata", "an object", metadata)
    if len(metadata) > MAX_METADATA_PAIRS:
        raise TooManyProperties.of("metadata", len(metadata), MAX_METADATA_PAIRS)
    for name, value in metadata.items():
        _check_pair(name, value)
    return metadata


def _check_pair(name: str, value: Any) -> None:
    if len(name) > MAX_METADATA_KEY_LENGTH:
        raise PropertyNameTooLong.of("metadata", name, MAX_METADATA_KEY_LENGTH)
    if not isinstance(value, str):
        raise WrongType.of(f"metadata.{name}", "a string", value)
    if len(value) > MAX_METADATA_VALUE_LENGTH:
        raise StringTooLong.of(f"metadata.{name}", value, MAX_METADATA_VALUE_LENGTH)


def include_in(value: Any) -> list[str]:
    """Return the names in an `include`. Raises WrongType."""
    if value is None:
        return []
    if not isinstance(value, list):
        raise WrongType.of("include", "an array of strings", value)
    for number, name in enumerate(value):
        if not isinstance(name, str):
            raise WrongType.of(f"include[{number}]", "a string", name)
    return value


def _has_references(value: Any) -> bool:
    return isinstance(value, list) and any(isinstance(item, dict) and needs_stored_content(item) for item in value)


def needs_stored_content(item: Mapping[str, Any]) -> bool:
    """Return whether an input item can only be understood with items that are stored here."""
    match type_of(item):
        case "item_reference":
            return True
        case "reasoning":
            return isinstance(item.get("id"), str) and not item.get("encrypted_content") and not item.get("content")
        case "compaction":
            return True
        case _:
            return False


def _id_in(value: Any, param: str, prefix: str) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str):
        raise WrongType.of(param, "a string", value)
    return checked_id(value, param, prefix)


def _flag(body: Mapping[str, Any], name: str, *, default: bool) -> bool:
    value = body.get(name)
    if value is None:
        return default
    if isinstance(value, bool):
        return value
    raise WrongType.of(name, "a boolean", value)
