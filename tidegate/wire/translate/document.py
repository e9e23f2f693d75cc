"""The Response document: what it repeats of its request, and what it says of its answer."""

from collections.abc import Mapping
from typing import Any

Json = dict[str, Any]

_REPEATED: Mapping[str, Any] = {
    "background": False, "frequency_penalty": 0.0, "instructions": None, "max_output_tokens": None,
    "max_tool_calls": None, "metadata": {}, "parallel_tool_calls": True, "presence_penalty": 0.0,
    "previous_response_id": None, "prompt_cache_key": None, "prompt_cache_retention": None, "safety_identifier": None,
    "service_tier": "default", "store": True, "temperature": 1.0, "tool_choice": "auto", "top_logprobs": 0,
    "top_p": 1.0, "user": None,
}  # fmt: skip
"""What stands there when the request was silent: OpenAI's own defaults."""


def in_progress_document(request_body: Mapping[str, Any], *, response_id: str, created_at: float, model: str) -> Json:
    """The document before anything has come, with all its keys; what cannot be read of the request is not repeated."""
    repeated = {
        name: usual if request_body.get(name) is None else request_body[name] for name, usual in _REPEATED.items()
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


def usage_of(said: Mapping[str, Any] | None) -> Json | None:
    """Chat's usage in the words of Responses; None where there is none."""
    if not said:
        return None
    into, out = _details(said.get("prompt_tokens_details")), _details(said.get("completion_tokens_details"))
    prompt, completion = _count(said.get("prompt_tokens")), _count(said.get("completion_tokens"))
    return {
        "input_tokens": prompt,
        "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0, **into},
        "output_tokens": completion,
        "output_tokens_details": {"reasoning_tokens": 0, **out},
        "total_tokens": _count(said.get("total_tokens")) or prompt + completion,
    }


def _tool(tool: Mapping[str, Any]) -> Json:
    usual = {"description": None, "parameters": None, "strict": None} if tool.get("type") == "function" else {}
    return {**usual, **tool}


def _text(text: Mapping[str, Any]) -> Json:
    form = _object(text.get("format")) or {"type": "text"}
    if form.get("type") == "json_schema":
        form = {"description": None, "strict": False, **form}
    return {**text, "format": form, "verbosity": text.get("verbosity") or "medium"}


def _list(said: Any) -> list[Any]:
    return said if isinstance(said, list) else []


def _object(said: Any) -> Json:
    return said if isinstance(said, dict) else {}


def _details(said: Any) -> Json:
    """What was counted; kinds of tokens that only chat has are told where there are some."""
    counted = {name: _count(value) for name, value in said.items()} if isinstance(said, Mapping) else {}
    return {name: count for name, count in counted.items() if count}


def _count(said: Any) -> int:
    """A number of tokens; some compatible servers write 3.0 for 3."""
    if isinstance(said, float) and said.is_integer():
        said = int(said)
    return said if isinstance(said, int) and not isinstance(said, bool) and said > 0 else 0
