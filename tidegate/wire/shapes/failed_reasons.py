"""Reasons for an end that are failures: some providers report one so inside a 200, without an error object."""

import re
from collections.abc import Iterable
from typing import Any

Json = dict[str, Any]

_SERVER_FAILED = frozenset(
    {
        "abort", "aborted", "error", "failed", "insufficient_system_resource", "internal_error", "network_error",
        "server_error", "timeout",
    }
)  # fmt: skip
"""The server failed (OpenRouter, DeepSeek, Z.AI, vLLM, SGLang): what came before is a part at most."""
_NOTHING_TO_SAY = frozenset(
    {
        "malformed_function_call", "malformed_response", "missing_thought_signature", "model_context_window_exceeded",
        "too_many_tool_calls", "unexpected_tool_call",
    }
)  # fmt: skip
"""Without content these are no answer (Gemini, Z.AI); with content the caller receives it and the reason."""
FAILED_REASON = re.compile(
    rb'"finish_reason"\s*:\s*"(?:[^":]*:\s*)?(?:'
    + b"|".join(reason.encode() for reason in sorted(_SERVER_FAILED | _NOTHING_TO_SAY))
    + rb')"',
    re.IGNORECASE,
)
"""Finds such a reason in an event or a body. It cannot match within a text, where quotes are escaped."""


def failure_of(choices: Iterable[Any], *, has_content: bool) -> Json | None:
    """Return the error object that the choices' reasons stand for; None if none of them is a failure."""
    for choice in choices:
        reason = choice.get("finish_reason") if isinstance(choice, dict) else None
        if not isinstance(reason, str):
            continue
        plain = reason.rpartition(":")[2].strip().lower()  # Gemini: `function_call_filter: MALFORMED_FUNCTION_CALL`
        if plain in _SERVER_FAILED:
            return _error(f"The upstream ended its answer with the reason `{reason}`.", "server_error")
        if plain in _NOTHING_TO_SAY and not has_content:
            return _error(f"The upstream ended without an answer; its reason is `{reason}`.", "empty_answer")
    return None


def _error(message: str, code: str) -> Json:
    return {"message": message, "type": "server_error", "param": None, "code": code}
