"""Reasoning that a request sends back: encrypted, or stored before, and before what it led to."""

from collections.abc import Container, Mapping, Sequence
from typing import Any

from tidegate.simulator.refusal import Refusal, invalid

ENCRYPTED = "gAAAA"
"""The beginning of encrypted reasoning."""

_MAX_STORED = 1000


class StoredReasoning:
    """The ids of the reasoning in stored responses: the last thousand."""

    def __init__(self) -> None:
        self._ids: dict[str, None] = {}

    def __contains__(self, name: object) -> bool:
        return name in self._ids

    def remember(self, response: Mapping[str, Any]) -> None:
        """Store the reasoning of a response."""
        self._ids |= {item["id"]: None for item in response["output"] if item["type"] == "reasoning"}
        while len(self._ids) > _MAX_STORED:
            del self._ids[next(iter(self._ids))]


def check_reasoning(items: Sequence[Mapping[str, Any]], stored: Container[str]) -> None:
    """Raise Refusal for reasoning that cannot be read, or that nothing of the model's follows.

    `stored` has the ids of the reasoning that was stored.
    """
    for number, item in enumerate(items):
        if item.get("type") != "reasoning":
            continue
        _check_content(item, stored)
        if not _is_the_models(items[number + 1] if number + 1 < len(items) else {}):
            reason = "was provided without its required following item."
            raise invalid(f"Item '{item.get('id')}' of type 'reasoning' {reason}", param="input")


def _check_content(item: Mapping[str, Any], stored: Container[str]) -> None:
    content, name = item.get("encrypted_content"), item.get("id")
    if content and not content.startswith(ENCRYPTED):
        message = f"The encrypted content {content[:8]} could not be verified. Reason: it could not be decrypted."
        raise invalid(message, code="invalid_encrypted_content")
    if not content and name is not None and name not in stored:
        hint = "Try again with `store` set to true, or remove this item from your input."
        message = f"Item with id '{name}' not found. Items are not persisted when `store` is set to false. {hint}"
        raise Refusal(404, message, param="input")


def _is_the_models(item: Mapping[str, Any]) -> bool:
    kind = str(item.get("type", "message"))
    return item.get("role") == "assistant" or not (kind == "message" or kind.endswith("_output"))
