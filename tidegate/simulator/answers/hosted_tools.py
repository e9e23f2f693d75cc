"""Tools that OpenAI runs itself: their items in a Response, what it states of their use, and what it bills for."""

from collections.abc import Mapping
from typing import Any

from tidegate.simulator.answers.reply import AnswerIdentity, Json

IMAGE_INPUT_TOKENS, IMAGE_OUTPUT_TOKENS = 40, 1056
"""Tokens of each image that is made: the text of its prompt, and a square image of medium quality."""
DEFAULT_IMAGE_MODEL = "gpt-image-2.6-sunburst"
_SEARCH = "web_search"
_SEARCH_PREVIEW = "web_search_preview"


def tool_items(body: Mapping[str, Any], identity: AnswerIdentity) -> list[Json]:
    """Return an item for each use that is simulated, as far as `max_tool_calls` allows. A search also opens a page."""
    used = enumerate(_used(body, identity))
    items = [_item(f"{tool}_call", identity.make_id("tool_", number), _fields(tool, identity)) for number, tool in used]
    if any(item["type"] == "web_search_call" for item in items):
        page = {"action": {"type": "open_page", "url": "https://example.com/tides"}}
        items.append(_item("web_search_call", identity.make_id("page_"), page))
    return items


def _item(kind: str, identifier: str, fields: Json) -> Json:
    return {"id": identifier, "type": kind, "status": "completed", **fields}


def _used(body: Mapping[str, Any], identity: AnswerIdentity) -> list[str]:
    uses = [tool for tool, count in identity.tools.items() for _ in range(count)]
    most = body.get("max_tool_calls")
    return uses if most is None else uses[:most]


def _fields(tool: str, identity: AnswerIdentity) -> Json:
    if tool == _SEARCH:
        return {"action": {"type": "search", "query": "tide", "queries": ["tide", "moon"]}}
    if tool == "file_search":
        return {"queries": ["tide", "moon"], "results": None}
    if tool == "code_interpreter":
        return {"container_id": identity.make_id("cntr_"), "code": None, "outputs": None}
    return {"result": "aGk="} if tool == "image_generation" else {}


def tool_usage(body: Mapping[str, Any], identity: AnswerIdentity) -> Json | None:
    """Return what a Response states of its tools; None where the use is not to be stated."""
    if not identity.states_tool_usage:
        return None
    used = _used(body, identity)
    images = used.count("image_generation")
    return {
        "web_search": {"num_requests": used.count(_SEARCH)},
        "image_gen": {
            "input_tokens": images * IMAGE_INPUT_TOKENS,
            "input_tokens_details": {"image_tokens": 0, "text_tokens": images * IMAGE_INPUT_TOKENS},
            "output_tokens": images * IMAGE_OUTPUT_TOKENS,
            "output_tokens_details": {"image_tokens": images * IMAGE_OUTPUT_TOKENS, "text_tokens": 0},
            "total_tokens": images * (IMAGE_INPUT_TOKENS + IMAGE_OUTPUT_TOKENS),
        },
    }


def billed_name(item: Json, tools: list[Json]) -> str:
    """Return what an item is billed as; empty for one without a fee."""
    kind = item.get("type")
    if kind == "web_search_call":
        if item["action"]["type"] != "search":
            return ""
        preview = any(str(tool.get("type")).startswith(_SEARCH_PREVIEW) for tool in tools)
        return _SEARCH_PREVIEW if preview else _SEARCH
    if kind == "code_interpreter_call":
        containers = [tool.get("container") for tool in tools if tool.get("type") == "code_interpreter"]
        memory = next((one.get("memory_limit") for one in containers if isinstance(one, dict)), None)
        return f"container {memory or '1g'}"
    if kind == "image_generation_call":
        models = [tool.get("model") for tool in tools if tool.get("type") == "image_generation"]
        return f"image {next((model for model in models if model), DEFAULT_IMAGE_MODEL)}"
    return "file_search" if kind == "file_search_call" else ""
