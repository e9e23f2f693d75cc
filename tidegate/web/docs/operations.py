"""The bodies and queries of OpenAI's routes, for the description. FastAPI does not know them: the handlers read bytes.

Used by description.py; `schemas.json` has the schemas. A test validates the gateway's answers against them.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

Json = dict[str, Any]

PAGES = {"CompletionPage": "ChatCompletion", "CompletionMessagePage": "ChatMessage", "ItemPage": "Item"}
"""The schemas of lists, and those of their entries."""

_PAGED = ("after", "limit", "order")
QUERY: Mapping[str, Json] = {
    "after": {"schema": {"type": "string"}, "description": "The last id of the previous page."},
    "limit": {"schema": {"type": "integer", "minimum": 1, "maximum": 100, "default": 20}, "description": "Entries."},
    "order": {"schema": {"enum": ["asc", "desc"]}, "description": "The order, by time."},
    "include": {
        "schema": {"type": "array", "items": {"type": "string"}},
        "description": "Optional parts of the answer; also as `include[]`.",
    },
    "model": {"schema": {"type": "string"}, "description": "Only completions of this model."},
    "metadata": {
        "schema": {"type": "object", "additionalProperties": {"type": "string"}},
        "style": "deepObject",
        "description": "Only completions with these pairs.",
    },
    "stream": {"schema": {"type": "boolean"}, "description": "Follow a background response by its events."},
    "starting_after": {"schema": {"type": "integer", "minimum": 0}, "description": "Only events after this number."},
}
"""The query parameters by name."""


class Bodies(msgspec.Struct, frozen=True, kw_only=True):
    """The bodies and the query of one operation, by the names of their schemas."""

    request: str | None = None
    answer: str
    event: str | None = None
    """The events of the stream, where the answer may be one."""
    query: tuple[str, ...] = ()
    statuses: tuple[str, ...] = ("200",)
    needs_body: bool = True


_COMPLETION = "/v1/chat/completions/{completion_id}"
_RESPONSE = "/v1/responses/{response_id}"
_CONVERSATION = "/v1/conversations/{conversation_id}"
_HEALTH = Bodies(answer="Readiness", statuses=("200", "503"))

BODIES: Mapping[tuple[str, str], Bodies] = {
    ("post", "/v1/chat/completions"): Bodies(
        request="ChatCompletionRequest", answer="ChatCompletion", event="ChatCompletionChunk"
    ),
    ("post", "/v1/responses"): Bodies(request="ResponseRequest", answer="Response", event="ResponseEvent"),
    ("post", "/v1/embeddings"): Bodies(request="EmbeddingRequest", answer="EmbeddingList"),
    ("post", "/v1/moderations"): Bodies(request="ModerationRequest", answer="Moderation"),
    ("get", "/v1/models"): Bodies(answer="ModelList"),
    ("get", "/v1/models/{name}"): Bodies(answer="Model"),
    ("delete", "/v1/models/{name}"): Bodies(answer="Deleted"),
    ("get", "/v1/chat/completions"): Bodies(answer="CompletionPage", query=(*_PAGED, "model", "metadata")),
    ("get", _COMPLETION): Bodies(answer="ChatCompletion"),
    ("post", _COMPLETION): Bodies(request="MetadataUpdate", answer="ChatCompletion"),
    ("delete", _COMPLETION): Bodies(answer="Deleted"),
    ("get", f"{_COMPLETION}/messages"): Bodies(answer="CompletionMessagePage", query=_PAGED),
    ("get", _RESPONSE): Bodies(answer="Response", event="ResponseEvent", query=("include", "stream", "starting_after")),
    ("delete", _RESPONSE): Bodies(answer="Deleted"),
    ("post", f"{_RESPONSE}/cancel"): Bodies(answer="Response"),
    ("get", f"{_RESPONSE}/input_items"): Bodies(answer="ItemPage", query=(*_PAGED, "include")),
    ("post", "/v1/responses/input_tokens"): Bodies(request="ResponseRequest", answer="InputTokens"),
    ("post", "/v1/responses/compact"): Bodies(request="ResponseRequest", answer="Compaction"),
    ("post", "/v1/conversations"): Bodies(request="ConversationRequest", answer="Conversation", needs_body=False),
    ("get", _CONVERSATION): Bodies(answer="Conversation"),
    ("post", _CONVERSATION): Bodies(request="MetadataUpdate", answer="Conversation"),
    ("delete", _CONVERSATION): Bodies(answer="Deleted"),
    ("get", f"{_CONVERSATION}/items"): Bodies(answer="ItemPage", query=(*_PAGED, "include")),
    ("post", f"{_CONVERSATION}/items"): Bodies(request="ItemsRequest", answer="ItemPage", query=("include",)),
    ("get", f"{_CONVERSATION}/items/{{item_id}}"): Bodies(answer="Item", query=("include",)),
    ("delete", f"{_CONVERSATION}/items/{{item_id}}"): Bodies(answer="Conversation"),
    ("post", "/v1/tidegate/answers/{answer_id}/wrong"): Bodies(
        request="AnswerReportRequest", answer="AnswerReport", needs_body=False
    ),
    ("get", "/livez"): Bodies(answer="Readiness"),
    ("get", "/readyz"): _HEALTH,
    ("get", "/healthz"): _HEALTH,
    ("get", "/health"): _HEALTH,
    ("get", "/health/upstream"): Bodies(answer="UpstreamStatus", statuses=("200", "503")),
}
"""The bodies by method and path."""
