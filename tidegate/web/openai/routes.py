"""The table of OpenAI's stateful routes. Called by the assembly."""

from collections.abc import Callable
from typing import Any

from fastapi import APIRouter, FastAPI

from tidegate.web.openai.completions import CompletionHandlers
from tidegate.web.openai.conversations import ConversationHandlers
from tidegate.web.openai.input_tokens import InputTokenHandlers
from tidegate.web.openai.responses import ResponseHandlers

_COMPLETION = "/chat/completions/{completion_id}"
_RESPONSE = "/responses/{response_id}"
_CONVERSATION = "/conversations/{conversation_id}"
_ITEM = f"{_CONVERSATION}/items/{{item_id}}"


def add_openai_routes(
    api: FastAPI,
    *,
    completions: CompletionHandlers,
    responses: ResponseHandlers,
    input_tokens: InputTokenHandlers,
    conversations: ConversationHandlers,
) -> None:
    """Add the routes for stored chat completions, responses, and conversations with their items, below `/v1`."""
    routes: tuple[tuple[str, str, Callable[..., Any]], ...] = (
        ("GET", "/chat/completions", completions.list),
        ("GET", _COMPLETION, completions.get),
        ("POST", _COMPLETION, completions.update),
        ("DELETE", _COMPLETION, completions.delete),
        ("GET", f"{_COMPLETION}/messages", completions.messages),
        ("GET", _RESPONSE, responses.get),
        ("DELETE", _RESPONSE, responses.delete),
        ("POST", f"{_RESPONSE}/cancel", responses.cancel),
        ("GET", f"{_RESPONSE}/input_items", responses.input_items),
        ("POST", "/responses/input_tokens", input_tokens.input_tokens),
        ("POST", "/responses/compact", input_tokens.compact),
        ("POST", "/conversations", conversations.create),
        ("GET", _CONVERSATION, conversations.get),
        ("POST", _CONVERSATION, conversations.update),
        ("DELETE", _CONVERSATION, conversations.delete),
        ("GET", f"{_CONVERSATION}/items", conversations.list_items),
        ("POST", f"{_CONVERSATION}/items", conversations.create_items),
        ("GET", _ITEM, conversations.get_item),
        ("DELETE", _ITEM, conversations.delete_item),
    )
    router = APIRouter(prefix="/v1", tags=["stateful"])
    for method, path, endpoint in routes:
        router.add_api_route(path, endpoint, methods=[method])
    api.include_router(router)
