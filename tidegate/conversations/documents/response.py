"""A Response as its caller is given it: with ids of its own, the caller's own words, and every key that the API has."""

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
"""What a Response repeats of its request, and what stands there where neither upstream nor request say it."""
_NULL_FIELDS: Json = {"error": None, "incomplete_details": None}
_FINAL_STATUSES = ("completed", "incomplete", "failed", "cancelled")


class ResponseIdentity(msgspec.Struct, frozen=True, kw_only=True):
    """What makes a Response this caller's."""

    id: str
    state_params: StateParams
    body: Mapping[str, Any]
    """The request, as the caller sent it."""
    created_at: int
    """Unix seconds."""


class ResponseDocument:
    """Gives one answer its caller's ids, the same in each event that speaks of the same item."""

    def __init__(self, identity: ResponseIdentity, ids: IdSource) -> None:
        self._identity = identity
        self._ids = ids
        self._by_id: dict[str, str] = {}
        self._by_index: dict[int, str] = {}

    @property
    def renamed_ids(self) -> Mapping[str, str]:
        """The items' ids so far: the upstream's to ours."""
        return self._by_id

    def item_id(self, index: int) -> str | None:
        """The id of the item at this place of the output, once it was seen."""
        return self._by_index.get(index)

    def item(self, item: Json, index: int) -> Json:
        """An item of the output under its own id."""
        old = item.get("id")
        ours = self._by_id.get(old) if isinstance(old, str) else self._by_index.get(index)
        if ours is None:
            ours = stored_id(item, self._ids)
            self._by_index[index] = ours
            if isinstance(old, str) and old:
                self._by_id[old] = ours
        return {**item, "id": ours}

    def response(self, response: Json, *, now: float) -> Json:
        """The whole document, as it is kept."""
        identity, asked = self._identity, self._identity.state_params
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
            "metadata": dict(asked.metadata),
            "store": asked.store,
            "background": asked.background,
            "previous_response_id": asked.previous_response_id,
            "conversation": {"id": asked.conversation} if asked.conversation else None,
        }


def visible_response(document: Json, include: Collection[str]) -> Json:
    """A kept Response without what was not asked for."""
    output = document.get("output")
    return {**document, "output": filter_items(output, include)} if output else document


def visible_item(item: Json, state_params: StateParams) -> Json:
    """An item of an answer on its way: only what we asked for ourselves is left out."""
    if (
        item.get("type") == "reasoning"
        and ENCRYPTED_REASONING not in state_params.include
        and "encrypted_content" in item
    ):
        return {name: value for name, value in item.items() if name != "encrypted_content"}
    return item


def failed_document(document: Json, error: Mapping[str, str]) -> Json:
    """The document of an answer that broke off."""
    return {**document, "status": "failed", "completed_at": None, "error": dict(error)}


def is_finished(document: Mapping[str, Any]) -> bool:
    """Whether a Response has come to its end, whichever."""
    return document.get("status") in _FINAL_STATUSES


def complete_usage(usage: Any) -> Json | None:
    """The usage with every figure that the API has; what was not counted is 0."""
    if not isinstance(usage, dict):
        return None
    read, written = usage.get("input_tokens_details") or {}, usage.get("output_tokens_details") or {}
    return {
        **usage,
        "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0, **read},
        "output_tokens_details": {"reasoning_tokens": 0, **written},
    }


def _echoed(response: Mapping[str, Any], body: Mapping[str, Any], name: str) -> Any:
    """What a Response repeats of what was asked: as the upstream says it, else the request, else OpenAI's default."""
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
    """With the format that is meant where none is said, and all keys of one that is described."""
    form = text.get("format") if isinstance(text, dict) else None
    if isinstance(form, dict) and form.get("type") == "json_schema":
        return {**text, "format": {"description": None, "strict": False, **form}}
    return text if form or not isinstance(text, dict) else {**text, **_ECHOED_DEFAULTS["text"]}


def complete_item(item: Json) -> Json:
    """An item with what each of its kind has, also from an upstream that leaves it out."""
    kind = type_of(item)
    if kind == "message" and isinstance(content := item.get("content"), list):
        parts = [{"annotations": [], "logprobs": [], **part} if _is_text(part) else part for part in content]
        return {"status": "completed", **item, "content": parts}
    return {"summary": [], **item} if kind == "reasoning" else item


def _is_text(part: Any) -> bool:
    return isinstance(part, dict) and part.get("type") == "output_text"
