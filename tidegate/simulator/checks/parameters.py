"""Checks a request's parameters, and refuses wrong ones in OpenAI's words."""

from collections.abc import Container, Mapping
from typing import Any

from tidegate.simulator.checks import combinations, tool_history
from tidegate.simulator.checks.chat import CHAT
from tidegate.simulator.checks.completions import COMPLETIONS
from tidegate.simulator.checks.images import check_images
from tidegate.simulator.checks.json_schemas import check_schemas
from tidegate.simulator.checks.models import check_model
from tidegate.simulator.checks.reasoning_items import check_reasoning
from tidegate.simulator.checks.responses import RESPONSES
from tidegate.simulator.checks.shapes import Shape
from tidegate.simulator.checks.vectors import EMBEDDINGS, MODERATIONS

_SHAPES: Mapping[str, Shape] = {
    "chat": CHAT,
    "completions": COMPLETIONS,
    "responses": RESPONSES,
    "embeddings": EMBEDDINGS,
    "moderations": MODERATIONS,
}


def check(route: str, body: Mapping[str, Any], stored: Container[str] = ()) -> None:
    """Raise Refusal for the first thing in a request that OpenAI refuses.

    `stored` has the ids of items that were stored, which an input may name.
    """
    _SHAPES[route].check("", body)
    check_model(route, body)
    if route == "chat":
        combinations.check_chat(body)
        tool_history.check_messages(body["messages"])
    elif route == "responses":
        combinations.check_response(body)
        given = body.get("input")
        items = given if isinstance(given, list) else []
        continues = any(body.get(name) for name in ("previous_response_id", "conversation", "prompt"))
        tool_history.check_items(items, continues=continues)
        check_reasoning(items, stored)
    if route in ("chat", "responses"):
        check_schemas(route, body)
    check_images(route, body)
