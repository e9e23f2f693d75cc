"""Build the Response document: the values of its request, and those of its answer."""

from collections.abc import Mapping
from typing import Any

from tidegate.wire.charges.usage import from_object

Json = dict[str, Any]

_REQUEST_DEFAULTS: Mapping[str, Any] = {
    "background": False, "frequency_penalty": 0.0, "instructions": None, "max_output_tokens": None,
    "max_tool_calls": None, "metadata": {}, "parallel_tool_calls": True, "presence_penalty": 0.0,
    "previous_response_id": None, "prompt_cache_key": None, "prompt_cache_retention": None, "safety_identifier": None,
    "service_tier": "default", "store": True, "temperature": 1.0, "tool_choice": "auto", "top_logprobs": 0,
    "top_p": 1.0, "user": None,
}  # fmt: skip
"""OpenAI's defaults, for parameters that the request does not set."""


def in_progress_document(request_body: Mapping[str, Any], *, response_id: str, created_at: float, model: str) -> Json:
    """Return the document before any output, with all its keys; invalid values of the request are not repeated."""
    repeated = {
        name: default if request_body.get(name) is None else request_body[name]
        for name, default in _REQUEST_DEFAULTS.items()
    }
    return {
        "id": response_id,
        "object": "response",
        "created_at": int(created_at),
        "status": "in_progress",
        "completed_at": None,
        "error": None,
        "incomplete_details": None,
        "model": model,
        "output": [],
        **repeated,
        "tools": [_tool(tool) for tool in _list(request_body.get("tools")) if isinstance(tool, dict)],
        "reasoning": {"effort": None, "summary": None, **_object(request_body.get("reasoning"))},
        "text": _text(_object(request_body.get("text"))),
        "truncation": "disabled",
        "usage": None,
    }


def usage_of(usage: Mapping[str, Any] | None) -> Json | None:
    """Return chat's usage in the form of Responses, in any form that providers send; None if there is none.

    The figures are those that the call is charged for: input and output include all their kinds.
    """
    if not usage:
        return None
    used = from_object(usage)
    cached_kinds = _positive({"audio_tokens": used.cached_audio, "image_tokens": used.cached_image})
    for_an_hour = _positive({"ephemeral_1h_input_tokens": used.cache_write_1h})
    for_minutes = {"ephemeral_5m_input_tokens": used.cache_write - used.cache_write_1h}
    return {
        "input_tokens": used.input,
        "input_tokens_details": {
            **_details(usage.get("prompt_tokens_details")),
            "cached_tokens": used.cached,
            "cache_write_tokens": used.cache_write,
            **_positive({"audio_tokens": used.input_audio, "image_tokens": used.input_image}),
            **({"cached_tokens_details": cached_kinds} if cached_kinds else {}),
            **({"cache_creation_token_details": {**for_minutes, **for_an_hour}} if for_an_hour else {}),
        },
        "output_tokens": used.output,
        "output_tokens_details": {
            **_details(usage.get("completion_tokens_details")),
            "reasoning_tokens": used.reasoning,
            **_positive({"audio_tokens": used.output_audio, "image_tokens": used.output_image}),
        },
        "total_tokens": used.input + used.output,
    }


def _tool(tool: Mapping[str, Any]) -> Json:
    default = {"description": None, "parameters": None, "strict": None} if tool.get("type") == "function" else {}
    return {**default, **tool}


def _text(text: Mapping[str, Any]) -> Json:
    form = _object(text.get("format")) or {"type": "text"}
    if form.get("type") == "json_schema":
        form = {"description": None, "strict": False, **form}
    return {**text, "format": form, "verbosity": text.get("verbosity") or "medium"}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _object(value: Any) -> Json:
    return value if isinstance(value, dict) else {}


def _details(value: Any) -> Json:
    """Return the counts above zero, including kinds of tokens that only chat has."""
    return _positive({name: _count(count) for name, count in value.items()}) if isinstance(value, Mapping) else {}


def _positive(counts: Json) -> Json:
    return {name: count for name, count in counts.items() if count}


def _count(value: Any) -> int:
    """Return a number of tokens; some compatible servers send 3.0 for 3."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else 0
