"""Refuses field names that differ from known ones in their letters' case only. Called by call.py.

The gateway reads `model` and passes `Model` on, as any field that it does not know. A server that ignores case would
read it as the model, past the key's models and budgets. Servers in Go do; they also take the long s for an s.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from tidegate.core.endpoints import Endpoint, Format
from tidegate.core.errors import UnknownParameter

REQUEST_FIELDS = frozenset({
    "audio", "background", "context_management", "conversation", "dimensions", "encoding_format", "frequency_penalty",
    "function_call", "functions", "include", "input", "instructions", "logit_bias", "logprobs",
    "max_completion_tokens", "max_output_tokens", "max_tokens", "max_tool_calls", "messages", "metadata", "modalities",
    "model", "moderation", "n", "parallel_tool_calls", "prediction", "presence_penalty", "previous_response_id",
    "prompt", "prompt_cache_key", "prompt_cache_options", "prompt_cache_retention", "reasoning", "reasoning_effort",
    "response_format", "safety_identifier", "seed", "service_tier", "stop", "store", "stream", "stream_options",
    "temperature", "text", "tool_choice", "tools", "top_logprobs", "top_p", "truncation", "user", "verbosity",
    "web_search_options",
})  # fmt: skip
"""The fields of OpenAI's requests, of all endpoints together."""

_ITEM_FIELDS = frozenset({"role", "content", "type", "name", "id", "tool_calls", "tool_call_id", "call_id", "output"})
"""The fields of messages and input items that the gateway or a translation reads."""
_ITEMS_IN = {Format.CHAT: "messages", Format.RESPONSES: "input"}


def check_field_names(endpoint: Endpoint, body: Mapping[str, Any]) -> None:
    """Raise UnknownParameter for a name of a request, a message or an input item that only case tells apart."""
    if not REQUEST_FIELDS.issuperset(body):
        _check(body, REQUEST_FIELDS)
    items = body.get(_ITEMS_IN.get(endpoint.format, ""))
    if isinstance(items, list):
        for item in items:
            if isinstance(item, dict) and not _ITEM_FIELDS.issuperset(item):
                _check(item, _ITEM_FIELDS)


def _check(names: Iterable[str], known: frozenset[str]) -> None:
    for name in names:
        if name not in known and (meant := name.casefold()) in known:
            raise UnknownParameter.of(name, meant)
