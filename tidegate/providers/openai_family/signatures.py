"""Leave the signatures of tool calls out of a request: OpenAI refuses fields that it does not know.

Gemini signs its calls, and wants the signatures back. A conversation that moves from there to OpenAI still has them.
"""

from collections.abc import Sequence
from typing import Any

import msgspec

from tidegate.wire.translate.parts import EXTRA_CONTENT


def are_signed(items: Sequence[Any]) -> bool:
    """Return whether an item of a Response's input has a signature."""
    return any(EXTRA_CONTENT in item for item in items if isinstance(item, dict))


def without_signatures(items: Sequence[Any]) -> msgspec.Raw:
    """Return the items without their signatures, as JSON."""
    plain = [
        {name: value for name, value in item.items() if name != EXTRA_CONTENT} if isinstance(item, dict) else item
        for item in items
    ]
    return msgspec.Raw(msgspec.json.encode(plain))
