"""Parts of items that are left out unless OpenAI's `include` parameter names them.

Used for responses and conversation items.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any

from tidegate.core.errors import InvalidParameter

Json = dict[str, Any]


def filter_item(item: Json, include: Collection[str]) -> Json:
    """Return an item without the parts that `include` does not name."""
    for name, leave_out in _OPTIONAL_PARTS.get(item.get("type", ""), ()):
        if name not in include:
            item = leave_out(item)
    return item


def filter_items(items: Iterable[Json], include: Collection[str]) -> list[Json]:
    """Return items without the parts that `include` does not name."""
    return [filter_item(item, include) for item in items]


def checked_include(include: Iterable[str]) -> frozenset[str]:
    """Return the names of an `include`. Raises InvalidParameter for an unknown name."""
    names = frozenset(include)
    for name in sorted(names - INCLUDE_NAMES):
        said = f"Invalid value: '{name[:64]}'. Supported values are: {', '.join(sorted(INCLUDE_NAMES))}."
        raise InvalidParameter(said, param="include")
    return names


def _without(name: str) -> Callable[[Json], Json]:
    def leave_out(item: Json) -> Json:
        return {key: value for key, value in item.items() if key != name} if name in item else item

    return leave_out


def _null(name: str) -> Callable[[Json], Json]:
    def leave_out(item: Json) -> Json:
        return {**item, name: None} if item.get(name) is not None else item

    return leave_out


def _inside(field: str, leave_out: Callable[[Json], Json]) -> Callable[[Json], Json]:
    def of(item: Json) -> Json:
        value = item.get(field)
        if isinstance(value, dict):
            return {**item, field: leave_out(value)}
        if isinstance(value, list):
            return {**item, field: [leave_out(part) if isinstance(part, dict) else part for part in value]}
        return item

    return of


def _image_url(part: Json) -> Json:
    return {**part, "image_url": None} if part.get("type") == "input_image" and part.get("image_url") else part


def _logprobs(part: Json) -> Json:
    return {**part, "logprobs": []} if part.get("logprobs") else part


_OPTIONAL_PARTS: Mapping[str, tuple[tuple[str, Callable[[Json], Json]], ...]] = {
    "reasoning": (("reasoning.encrypted_content", _without("encrypted_content")),),
    "message": (
        ("message.input_image.image_url", _inside("content", _image_url)),
        ("message.output_text.logprobs", _inside("content", _logprobs)),
    ),
    "file_search_call": (("file_search_call.results", _null("results")),),
    "web_search_call": (
        ("web_search_call.results", _without("results")),
        ("web_search_call.action.sources", _inside("action", _without("sources"))),
    ),
    "computer_call_output": (("computer_call_output.output.image_url", _inside("output", _without("image_url"))),),
    "code_interpreter_call": (("code_interpreter_call.outputs", _null("outputs")),),
}
INCLUDE_NAMES = frozenset(name for parts in _OPTIONAL_PARTS.values() for name, _ in parts)
"""All names that `include` may have."""
