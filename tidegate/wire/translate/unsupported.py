"""What a translated request does not say, for the caller to be told: `x-tidegate-adapted`."""

from collections.abc import Iterator, Mapping
from typing import Any

from tidegate.wire.translate.messages import LEFT_OUT
from tidegate.wire.translate.request import WITHOUT_EFFECT

TRANSLATED = "responses: chat"
_OF_REASONING = ("summary", "generate_summary", "context")
_OF_TOOLS = ("async", "allowed_callers", "defer_loading", "output_schema")
_USUAL = {"truncation": "disabled", "stream_options": {}}
"""Values that mean what happens anyway."""


def losses(asked: Mapping[str, Any], *, reasoning_kept: bool = False) -> tuple[str, ...]:
    """A word for the translation, and for each thing that was asked and has no effect, as `parameter: what`.

    `asked` is a Responses body that can be translated.
    """
    return (TRANSLATED, *dict.fromkeys(_all(asked, reasoning_kept=reasoning_kept)))


def _all(asked: Mapping[str, Any], *, reasoning_kept: bool) -> Iterator[str]:
    for name in sorted(WITHOUT_EFFECT):
        if asked.get(name) is not None and asked[name] != _USUAL.get(name):
            yield f"{name}: dropped"
    reasoning = asked.get("reasoning") or {}
    yield from (f"reasoning.{name}: dropped" for name in _OF_REASONING if reasoning.get(name) is not None)
    for tool in asked.get("tools") or ():
        yield from (f"tools.{name}: dropped" for name in _OF_TOOLS if tool.get(name))
    given = asked.get("input")
    for item in given if isinstance(given, list) else ():
        kind = item.get("type", "message")
        if kind in LEFT_OUT and not (kind == "reasoning" and reasoning_kept):
            yield f"input.{kind}: dropped"
