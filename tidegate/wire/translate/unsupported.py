"""List the fields that a translated request loses, for the header `x-tidegate-adapted`."""

from collections.abc import Iterator, Mapping
from typing import Any

from tidegate.wire.translate.messages import DROPPED_ITEMS
from tidegate.wire.translate.request import IGNORED_PARAMETERS

TRANSLATION_NOTE = "responses: chat"
_OF_REASONING = ("summary", "generate_summary", "context")
_OF_TOOLS = ("async", "allowed_callers", "defer_loading", "output_schema")
_DEFAULTS = {"truncation": "disabled", "stream_options": {}}
"""Values that ask for what happens anyway."""


def unsupported_fields(request_body: Mapping[str, Any], *, keeps_reasoning: bool = False) -> tuple[str, ...]:
    """Return a note of the translation, and of each field that has no effect, as `field: dropped`.

    `request_body` is a Responses body that can be translated.
    """
    return (TRANSLATION_NOTE, *dict.fromkeys(_all(request_body, keeps_reasoning=keeps_reasoning)))


def _all(request_body: Mapping[str, Any], *, keeps_reasoning: bool) -> Iterator[str]:
    for name in sorted(IGNORED_PARAMETERS):
        if request_body.get(name) is not None and request_body[name] != _DEFAULTS.get(name):
            yield f"{name}: dropped"
    reasoning = request_body.get("reasoning") or {}
    yield from (f"reasoning.{name}: dropped" for name in _OF_REASONING if reasoning.get(name) is not None)
    for tool in request_body.get("tools") or ():
        yield from (f"tools.{name}: dropped" for name in _OF_TOOLS if tool.get(name))
    input_items = request_body.get("input")
    for item in input_items if isinstance(input_items, list) else ():
        kind = item.get("type", "message")
        if kind in DROPPED_ITEMS and not (kind == "reasoning" and keeps_reasoning):
            yield f"input.{kind}: dropped"
