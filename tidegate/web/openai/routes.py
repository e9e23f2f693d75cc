"""The table of OpenAI's stateful routes. Called by the assembly."""

from collections.abc import Callable
from typing import Any

from fastapi import APIRouter, FastAPI

from tidegate.web.openai.answers import AnswerHandlers
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
    answers: AnswerHandlers,
) -> None:
    """Add the routes for stored completions, responses, conversations with their items, and answers, below `/v1`."""
    routes: tuple[tuple[str, str, Callable[..., Any], str], ...] = (
        ("GET", "/chat/completions", completions.list, "List stored chat completions"),
        ("GET", _COMPLETION, completions.get, "Get a stored chat completion"),
        ("POST", _COMPLETION, completions.update, "Change a stored chat completion's metadata"),
        ("DELETE", _COMPLETION, completions.delete, "Delete a stored chat completion"),
        ("GET", f"{_COMPLETION}/messages", completions.messages, "List a completion's messages"),
        ("GET", _RESPONSE, responses.get, "Get a response"),
        ("DELETE", _RESPONSE, responses.delete, "Delete a response"),
        ("POST", f"{_RESPONSE}/cancel", responses.cancel, "Cancel a background response"),
        ("GET", f"{_RESPONSE}/input_items", responses.input_items, "List a response's input items"),
        ("POST", "/responses/input_tokens", input_tokens.input_tokens, "Count input tokens"),
        ("POST", "/responses/compact", input_tokens.compact, "Compact a conversation"),
        ("POST", "/conversations", conversations.create, "Create a conversation"),
        ("GET", _CONVERSATION, conversations.get, "Get a conversation"),
        ("POST", _CONVERSATION, conversations.update, "Change a conversation's metadata"),
        ("DELETE", _CONVERSATION, conversations.delete, "Delete a conversation"),
        ("GET", f"{_CONVERSATION}/items", conversations.list_items, "List a conversation's items"),
        ("POST", f"{_CONVERSATION}/items", conversations.create_items, "Add items to a conversation"),
        ("GET", _ITEM, conversations.get_item, "Get an item"),
        ("DELETE", _ITEM, conversations.delete_item, "Delete an item"),
        ("POST", "/tidegate/answers/{answer_id}/wrong", answers.wrong, "Report that a semantic answer was wrong"),
    )
    router = APIRouter(prefix="/v1", tags=["stored data"])
    for method, path, handler, summary in routes:
        router.add_api_route(path, handler, methods=[method], summary=summary)
    api.include_router(router)
