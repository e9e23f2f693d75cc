"""What a translated request does not say, for the caller to be told: `x-tidegate-adapted`."""

from collections.abc import Iterator, Mapping
from typing import Any

from tidegate.wire.translate.messages import DROPPED_ITEMS
from tidegate.wire.translate.request import IGNORED_PARAMETERS

TRANSLATION_NOTE = "responses: chat"
_OF_REASONING = ("summary", "generate_summary", "context")
_OF_TOOLS = ("async", "allowed_callers", "defer_loading", "output_schema")
_USUAL = {"truncation": "disabled", "stream_options": {}}
"""Values that mean what happens anyway."""


def unsupported_fields(request_body: Mapping[str, Any], *, keeps_reasoning: bool = False) -> tuple[str, ...]:
    """A word for the translation, and for each thing that was asked and has no effect, as `parameter: what`.

    `asked` is a Responses body that can be translated.
    """
    return (TRANSLATION_NOTE, *dict.fromkeys(_all(request_body, reasoning_kept=keeps_reasoning)))


def _all(asked: Mapping[str, Any], *, reasoning_kept: bool) -> Iterator[str]:
    for name in sorted(IGNORED_PARAMETERS):
        if asked.get(name) is not None and asked[name] != _USUAL.get(name):
            yield f"{name}: dropped"
    reasoning = asked.get("reasoning") or {}
    yield from (f"reasoning.{name}: dropped" for name in _OF_REASONING if reasoning.get(name) is not None)
    for tool in asked.get("tools") or ():
        yield from (f"tools.{name}: dropped" for name in _OF_TOOLS if tool.get(name))
    given = asked.get("input")
    for item in given if isinstance(given, list) else ():
        kind = item.get("type", "message")
        if kind in DROPPED_ITEMS and not (kind == "reasoning" and reasoning_kept):
            yield f"input.{kind}: dropped"
