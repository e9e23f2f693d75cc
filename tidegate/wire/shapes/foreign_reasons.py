"""Reasons for an end in other words than OpenAI's: those for a cut are put into its word, those for a failure found."""

import re
from typing import Any

from tidegate.wire.shapes.failed_reasons import FAILED_REASON

CUT = "length"
_CUT_ELSEWHERE = frozenset({"incomplete", "max_output_tokens", "max_tokens", "model_length", "token_limit"})
"""The words for an answer that was cut at a limit of tokens (Gemini, Mistral, Anthropic, the Responses API)."""
CUTS = _CUT_ELSEWHERE | {CUT}
FOREIGN_REASON = re.compile(
    FAILED_REASON.pattern
    + rb'|"finish_reason"\s*:\s*"(?:'
    + b"|".join(reason.encode() for reason in sorted(_CUT_ELSEWHERE))
    + rb')"',
    re.IGNORECASE,
)
"""Finds such a reason in an event or a body. It cannot match within a text, where quotes are escaped."""


def with_known_cut(choice: dict[str, Any]) -> dict[str, Any]:
    """Return a choice that says `length` where it was cut at a limit: clients look for that word only."""
    reason = choice.get("finish_reason")
    is_cut = isinstance(reason, str) and reason.lower() in _CUT_ELSEWHERE
    return {**choice, "finish_reason": CUT} if is_cut else choice
