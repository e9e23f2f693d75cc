"""Tools that OpenAI runs itself: their items in a Response, what it states of their use, and what it bills for."""

from collections.abc import Mapping
from typing import Any

from tidegate.simulator.answers.reply import AnswerIdentity, Json

IMAGE_INPUT_TOKENS = 40
"""Tokens of the prompt of each image that is made."""
DEFAULT_IMAGE_MODEL = "gpt-image-1"
_IMAGE_TOKENS = {
    "gpt-image-1": {
        "low": {"1024x1024": 272, "1024x1536": 408, "1536x1024": 400},
        "medium": {"1024x1024": 1056, "1024x1536": 1584, "1536x1024": 1568},
        "high": {"1024x1024": 4160, "1024x1536": 6240, "1536x1024": 6208},
    },
    "gpt-image-2": {
        "low": {"1024x1024": 196, "1024x1536": 158, "1536x1024": 158},
        "medium": {"1024x1024": 1756, "1024x1536": 1372, "1536x1024": 1372},
        "high": {"1024x1024": 7024, "1024x1536": 5488, "1536x1024": 5488},
    },
    "gpt-image-2.5": {
        "low": {"1024x1024": 196, "1024x1536": 158, "1536x1024": 158},
        "medium": {"1024x1024": 439, "1024x1536": 343, "1536x1024": 343},
        "high": {"1024x1024": 1756, "1024x1536": 1372, "1536x1024": 1372},
    },
}
"""Tokens of an image by the beginning of its model's name, its quality and its size. The longest name counts."""
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


def image_tokens(tool: Mapping[str, Any]) -> int:
    """Return the tokens of an image that the tool makes; left to choose, it makes a square one of medium quality."""
    model = tool.get("model") or DEFAULT_IMAGE_MODEL
    family = max((name for name in _IMAGE_TOKENS if model.startswith(name)), key=len, default=DEFAULT_IMAGE_MODEL)
    qualities = _IMAGE_TOKENS[family]
    sizes = qualities.get(tool.get("quality") or "", qualities["medium"])
    return sizes.get(tool.get("size") or "", sizes["1024x1024"])


def _image_tool(tools: Any) -> Mapping[str, Any]:
    """Return the first image tool of a request; an empty one if it has none."""
    return next((tool for tool in tools or () if tool.get("type") == "image_generation"), {})


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
    made = images * image_tokens(_image_tool(body.get("tools")))
    return {
        "web_search": {"num_requests": used.count(_SEARCH)},
        "image_gen": {
            "input_tokens": images * IMAGE_INPUT_TOKENS,
            "input_tokens_details": {"image_tokens": 0, "text_tokens": images * IMAGE_INPUT_TOKENS},
            "output_tokens": made,
            "output_tokens_details": {"image_tokens": made, "text_tokens": 0},
            "total_tokens": images * IMAGE_INPUT_TOKENS + made,
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
        tool = _image_tool(tools)
        return f"image {tool.get('model') or DEFAULT_IMAGE_MODEL} {image_tokens(tool)}"
    return "file_search" if kind == "file_search_call" else ""
