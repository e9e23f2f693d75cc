"""What a call asks of the gateway's memory: to be kept, and to go on from what was said before."""

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from tidegate.conversations.documents.items import type_of
from tidegate.core.endpoints import Format
from tidegate.core.errors import (
    InvalidId,
    InvalidParameter,
    KeyTooLong,
    MutuallyExclusive,
    TextTooLong,
    TooManyPairs,
    UnsupportedParameter,
    WrongType,
)
from tidegate.wire.call import Call

MOST_METADATA = 16
LONGEST_METADATA_KEY = 64
LONGEST_METADATA_VALUE = 512
_ID = re.compile(r"[A-Za-z0-9_-]{1,64}", re.ASCII)
_ITEM = re.compile(r"[!-~]{1,256}", re.ASCII)

ENCRYPTED_REASONING = "reasoning.encrypted_content"


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """What a call asks of the memory."""

    store: bool
    background: bool = False
    previous: str | None = None
    """The response it goes on from."""
    conversation: str | None = None
    """The conversation it is a turn of."""
    metadata: Mapping[str, str] = {}
    include: frozenset[str] = frozenset()
    """The parts of the answer that are left out unless they are asked for."""
    refers: bool = False
    """Its input may name items that are kept here."""

    @property
    def keeps(self) -> bool:
        """Whether it is to be kept, or goes on from what is."""
        return self.store or self.previous is not None or self.conversation is not None


def read(call: Call) -> Asked | None:
    """What `call` asks; None for nothing. Raises InvalidParameter, MutuallyExclusive or UnsupportedParameter."""
    if call.route.format is Format.CHAT:
        return _read_chat(call.body)
    return _read_response(call.body) if call.route.format is Format.RESPONSES else None


def _read_chat(body: Mapping[str, Any]) -> Asked | None:
    if not _flag(body, "store", default=False):
        return None
    return Asked(store=True, metadata=metadata_in(body))


def _read_response(body: Mapping[str, Any]) -> Asked | None:
    asked = Asked(
        store=_flag(body, "store", default=True),
        background=_flag(body, "background", default=False),
        previous=_id_in(body.get("previous_response_id"), "previous_response_id", "resp"),
        conversation=conversation_in(body),
        metadata=metadata_in(body),
        include=frozenset(include_in(body.get("include"))),
        refers=_refers(body.get("input")),
    )
    if asked.previous and asked.conversation:
        raise MutuallyExclusive(
            "Mutually exclusive parameters: 'previous_response_id' and 'conversation'. Ensure you are only providing "
            "one of: 'previous_response_id' or 'conversation'.",
            param="previous_response_id",
        )
    if asked.background and not asked.store:
        raise UnsupportedParameter(
            "Unsupported parameter: 'background' needs `store` to be true, because its answer is fetched later.",
            param="background",
        )
    return asked if asked.keeps or asked.refers else None


def conversation_in(body: Mapping[str, Any]) -> str | None:
    """The id of the conversation that a body names, as a text or within an object."""
    given = body.get("conversation")
    if isinstance(given, dict):
        given = given.get("id")
        given = "" if given is None else given  # whoever says where is not answered as if they had not
    return _id_in(given, "conversation", "conv")


def known_id(given: str, param: str, prefix: str) -> str:
    """An id from a path or a body. Raises InvalidId where none of ours looks like it."""
    if given.startswith(prefix) and _ID.fullmatch(given):
        return given
    raise InvalidId.of(param, given, prefix)


def known_item(given: str, param: str) -> str:
    """An item's id, which may be its upstream's. Raises InvalidParameter for what is none."""
    if _ITEM.fullmatch(given):
        return given
    raise InvalidParameter(f"Invalid '{param}': it is no id of an item.", param=param)


def metadata_in(body: Mapping[str, Any]) -> dict[str, str]:
    """A body's `metadata`, within OpenAI's limits. Raises WrongType, TooManyPairs, KeyTooLong or TextTooLong."""
    given = body.get("metadata")
    if given is None:
        return {}
    if not isinstance(given, dict):
        raise WrongType.of("metadata", "an object", given)
    if len(given) > MOST_METADATA:
        raise TooManyPairs.of("metadata", len(given), MOST_METADATA)
    for name, value in given.items():
        _check_pair(name, value)
    return given


def _check_pair(name: str, value: Any) -> None:
    if len(name) > LONGEST_METADATA_KEY:
        raise KeyTooLong.of("metadata", name, LONGEST_METADATA_KEY)
    if not isinstance(value, str):
        raise WrongType.of(f"metadata.{name}", "a string", value)
    if len(value) > LONGEST_METADATA_VALUE:
        raise TextTooLong.of(f"metadata.{name}", value, LONGEST_METADATA_VALUE)


def include_in(given: Any) -> list[str]:
    """The names in an `include`. Raises WrongType."""
    if given is None:
        return []
    if not isinstance(given, list):
        raise WrongType.of("include", "an array of strings", given)
    for number, name in enumerate(given):
        if not isinstance(name, str):
            raise WrongType.of(f"include[{number}]", "a string", name)
    return given


def _refers(given: Any) -> bool:
    return isinstance(given, list) and any(isinstance(item, dict) and names_ours(item) for item in given)


def names_ours(item: Mapping[str, Any]) -> bool:
    """Whether an item of the input may only be understood with what is kept here."""
    match type_of(item):
        case "item_reference":
            return True
        case "reasoning":
            return isinstance(item.get("id"), str) and not item.get("encrypted_content") and not item.get("content")
        case "compaction":
            return True
        case _:
            return False


def _id_in(given: Any, param: str, prefix: str) -> str | None:
    if given is None:
        return None
    if not isinstance(given, str):
        raise WrongType.of(param, "a string", given)
    return known_id(given, param, prefix)


def _flag(body: Mapping[str, Any], name: str, *, default: bool) -> bool:
    value = body.get(name)
    if value is None:
        return default
    if isinstance(value, bool):
        return value
    raise WrongType.of(name, "a boolean", value)
