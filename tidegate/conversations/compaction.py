"""Compaction of a long conversation: the request for a summary, and the item that replaces the items.

Called by the pipeline for `/v1/responses/compact`.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from tidegate.conversations.documents.items import compaction_item, upstream_items, without_dangling_reasoning
from tidegate.conversations.documents.response import complete_usage
from tidegate.core.errors import MalformedAnswer
from tidegate.core.ids import IdSource

Json = dict[str, Any]

_INSTRUCTIONS = (
    "Summarise the conversation so far, so that it can be continued from your summary alone. Keep every fact, name, "
    "number, decision, open question and instruction that may matter later, and the results of tools. Do not answer "
    "the last message, and add nothing of your own."
)
_PASSED_ON = (
    "model",
    "prompt_cache_key",
    "prompt_cache_options",
    "prompt_cache_retention",
    "service_tier",
    "user",
    "safety_identifier",
)


def summary_request(body: Mapping[str, Any], items: Sequence[Json]) -> Json:
    """Return the body of the request for a summary of `items`; `body` is the caller's own body."""
    instructions = body.get("instructions")
    passed_fields: Json = {"instructions": instructions} if isinstance(instructions, str) else {}
    passed = {name: body[name] for name in _PASSED_ON if body.get(name) is not None}
    task = {"type": "message", "role": "user", "content": _INSTRUCTIONS}
    said = without_dangling_reasoning(upstream_items(items))
    return {**passed, **passed_fields, "input": [*said, task], "store": False}


def compaction_document(answer: Mapping[str, Any], items: Sequence[Json], *, ids: IdSource, now: float) -> Json:
    """Return the compaction: one item that holds the users' messages, word for word, and the summary.

    Raises MalformedAnswer for an empty summary.
    """
    summary = _text_of(answer)
    if not summary:
        raise MalformedAnswer("The model gave no summary to compact the conversation with.")
    users_items = upstream_items(item for item in items if item.get("role") == "user")
    summed_up = {"type": "message", "role": "developer", "content": [{"type": "input_text", "text": summary}]}
    return _document([*users_items, summed_up], answer.get("usage"), ids, now)


def empty_compaction(*, ids: IdSource, now: float) -> Json:
    """Return the compaction of an empty input."""
    return _document([], dict.fromkeys(("input_tokens", "output_tokens", "total_tokens"), 0), ids, now)


def _document(stands_for: list[Json], usage: Any, ids: IdSource, now: float) -> Json:
    return {
        "id": ids("resp_"),
        "object": "response.compaction",
        "created_at": int(now),
        "output": [compaction_item(stands_for, ids)],
        "usage": complete_usage(usage),
    }


def _text_of(answer: Mapping[str, Any]) -> str:
    items = answer.get("output")
    parts = [
        part
        for item in (items if isinstance(items, list) else ())
        if isinstance(item, dict) and item.get("type") == "message"
        for part in item.get("content") or ()
    ]
    return "".join(part["text"] for part in parts if isinstance(part.get("text"), str))
