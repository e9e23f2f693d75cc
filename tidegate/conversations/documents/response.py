"""A Response as its caller gets it: with the caller's own ids, the request's values, and every key of the API.

Used by the response recorder and the responses routes.
"""

from collections.abc import Collection, Mapping
from typing import Any

import msgspec

from tidegate.conversations.documents.include import filter_items
from tidegate.conversations.documents.items import stored_id, type_of
from tidegate.conversations.state_params import ENCRYPTED_REASONING, StateParams
from tidegate.core.ids import IdSource

Json = dict[str, Any]

_ECHOED_DEFAULTS: Json = {
    "instructions": None,
    "tools": [],
    "tool_choice": "auto",
    "truncation": "disabled",
    "parallel_tool_calls": True,
    "text": {"format": {"type": "text"}},
    "top_p": 1.0,
    "presence_penalty": 0.0,
    "frequency_penalty": 0.0,
    "top_logprobs": 0,
    "temperature": 1.0,
    "reasoning": {"effort": None, "summary": None},
    "max_output_tokens": None,
    "max_tool_calls": None,
    "service_tier": "default",
    "safety_identifier": None,
    "prompt_cache_key": None,
    "user": None,
}
"""Request fields that a Response repeats, with OpenAI's default where neither upstream nor request has a value."""
_NULL_FIELDS: Json = {"error": None, "incomplete_details": None}
_FINAL_STATUSES = ("completed", "incomplete", "failed", "cancelled")


class ResponseIdentity(msgspec.Struct, frozen=True, kw_only=True):
    """The parts of a Response that are specific to its caller."""

    id: str
    state_params: StateParams
    body: Mapping[str, Any]
    """The request, as the caller sent it."""
    created_at: int
    """Unix seconds."""


class ResponseDocument:
    """Replace the upstream's ids by the caller's own, the same in each event that names the same item."""

    def __init__(self, identity: ResponseIdentity, ids: IdSource) -> None:
        self._identity = identity
        self._ids = ids
        self._by_id: dict[str, str] = {}
        self._by_index: dict[int, str] = {}

    @property
    def renamed_ids(self) -> Mapping[str, str]:
        """Return the new ids of the items so far, by the upstream's ids."""
        return self._by_id

    def item_id(self, index: int) -> str | None:
        """Return the id of the output item at this index, once it was seen."""
        return self._by_index.get(index)

    def item(self, item: Json, index: int) -> Json:
        """Return an output item under its own id."""
        old = item.get("id")
        new_id = self._by_id.get(old) if isinstance(old, str) else self._by_index.get(index)
        if new_id is None:
            new_id = stored_id(item, self._ids)
            self._by_index[index] = new_id
            if isinstance(old, str) and old:
                self._by_id[old] = new_id
        return {**item, "id": new_id}

    def response(self, response: Json, *, now: float) -> Json:
        """Return the whole document as it is stored."""
        identity, state_params = self._identity, self._identity.state_params
        status = response.get("status") or "completed"
        output = [self.item(complete_item(item), index) for index, item in enumerate(response.get("output") or ())]
        return {
            **_NULL_FIELDS,
            **response,
            **{name: _echoed(response, identity.body, name) for name in _ECHOED_DEFAULTS},
            "text": _complete_text(_echoed(response, identity.body, "text")),
            "tools": _complete_tools(_echoed(response, identity.body, "tools")),
            "id": identity.id,
            "object": "response",
            "created_at": identity.created_at,
            "completed_at": max(int(now), identity.created_at) if status == "completed" else None,
            "status": status,
            "output": output,
            "usage": complete_usage(response.get("usage")),
            "metadata": dict(state_params.metadata),
            "store": state_params.store,
            "background": state_params.background,
            "previous_response_id": state_params.previous_response_id,
            "conversation": {"id": state_params.conversation} if state_params.conversation else None,
        }


def visible_response(document: Json, include: Collection[str]) -> Json:
    """Return a stored Response without the parts that `include` does not name."""
    output = document.get("output")
    return {**document, "output": filter_items(output, include)} if output else document


def visible_item(item: Json, state_params: StateParams) -> Json:
    """Return an item of a new answer without the encrypted reasoning that only the gateway asked for."""
    if (
        item.get("type") == "reasoning"
        and ENCRYPTED_REASONING not in state_params.include
        and "encrypted_content" in item
    ):
        return {name: value for name, value in item.items() if name != "encrypted_content"}
    return item


def failed_document(document: Json, error: Mapping[str, str]) -> Json:
    """Return the document of an answer that failed after it began."""
    return {**document, "status": "failed", "completed_at": None, "error": dict(error)}


def is_finished(document: Mapping[str, Any]) -> bool:
    """Return whether a Response has ended, successfully or not."""
    return document.get("status") in _FINAL_STATUSES


def complete_usage(usage: Any) -> Json | None:
    """Return the usage with every figure of the API; figures that the upstream left out are 0."""
    if not isinstance(usage, dict):
        return None
    input_details, output_details = usage.get("input_tokens_details") or {}, usage.get("output_tokens_details") or {}
    return {
        **usage,
        "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0, **input_details},
        "output_tokens_details": {"reasoning_tokens": 0, **output_details},
    }


def _echoed(response: Mapping[str, Any], body: Mapping[str, Any], name: str) -> Any:
    """Return a field that a Response repeats: the upstream's value, else the request's, else OpenAI's default."""
    value = response.get(name)
    value = body.get(name) if value is None else value
    return _ECHOED_DEFAULTS[name] if value is None else value


def _complete_tools(tools: Any) -> list[Any]:
    return [_complete_tool(tool) for tool in tools] if isinstance(tools, list) else []


def _complete_tool(tool: Any) -> Any:
    if not isinstance(tool, dict) or tool.get("type") != "function":
        return tool
    return {"description": None, "parameters": None, "strict": None, **tool}


def _complete_text(text: Any) -> Any:
    """Return `text` with its default format, and with all keys of a format that is given."""
    form = text.get("format") if isinstance(text, dict) else None
    if isinstance(form, dict) and form.get("type") == "json_schema":
        return {**text, "format": {"description": None, "strict": False, **form}}
    return text if form or not isinstance(text, dict) else {**text, **_ECHOED_DEFAULTS["text"]}


def complete_item(item: Json) -> Json:
    """Return an item with all keys of its type, including those that the upstream left out."""
    kind = type_of(item)
    if kind == "message" and isinstance(content := item.get("content"), list):
        parts = [{"annotations": [], "logprobs": [], **part} if _is_text(part) else part for part in content]
        return {"status": "completed", **item, "content": parts}
    return {"summary": [], **item} if kind == "reasoning" else item


def _is_text(part: Any) -> bool:
    return isinstance(part, dict) and part.get("type") == "output_text"
