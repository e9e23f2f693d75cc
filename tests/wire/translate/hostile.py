"""Strategies for JSON with the API's fields in the wrong places."""

from typing import Any

from hypothesis import strategies as st

_WORDS = (
    "message", "function", "custom", "function_call", "function_call_output", "custom_tool_call", "reasoning", "user",
    "input_text", "output_text", "refusal", "input_image", "input_file", "input_audio", "assistant", "json_schema",
    "allowed_tools", "auto", "text", "thinking", "url_citation", "",
)  # fmt: skip
_KEYS = (
    "type", "role", "content", "call_id", "name", "arguments", "output", "input", "text", "format", "schema", "mode",
    "effort", "tools", "refusal", "image_url", "id", "summary", "verbosity", "prompt_cache_breakpoint", "function",
    "custom", "index", "reasoning_content", "tool_calls", "annotations", "token", "bytes", "top_logprobs", "thinking",
    "url_citation", "prompt_tokens", "prompt_tokens_details",
)  # fmt: skip
_LEAVES = st.sampled_from([*_WORDS, None, True, 0, -1, 2.5])

ANYTHING: st.SearchStrategy[Any] = st.recursive(
    _LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(_KEYS), inner, max_size=4),
    max_leaves=12,
)


def objects(*names: str) -> st.SearchStrategy[dict[str, Any]]:
    """Objects that have some of these names, and anything beneath."""
    return st.dictionaries(st.sampled_from(names), ANYTHING, max_size=5)
