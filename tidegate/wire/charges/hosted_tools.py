"""Read which hosted tools a request offers and an answer used: searches, containers, images.

A provider runs such a tool itself, and charges for its use beside the tokens. Each tool has one name in the price
list: `web_search`, `web_search_preview`, `file_search`, `code_interpreter`, `code_interpreter_4g`, `image_generation`.
A tool that is not known here goes by its own type. Called for reservations and by the accountant.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec

from tidegate.core.endpoints import Endpoint, Format
from tidegate.core.values import Usage
from tidegate.wire import sse
from tidegate.wire.charges.images import DEFAULT_IMAGE_MODEL, IMAGE_TOOL, ImageRequest, image_request

Json = Mapping[str, Any]

TOOL_CALL_LIMIT = "max_tool_calls"
"""The parameter by which a caller limits the calls of hosted tools (OpenAI, "Create a response")."""
_FREE_TOOLS = frozenset(
    {
        "function", "custom", "mcp", "computer", "computer_use_preview", "local_shell", "apply_patch", "namespace",
        "tool_search", "programmatic_tool_calling",
    }
)  # fmt: skip
"""Tools that the caller runs, or that cost tokens only."""
_FREE_CALLS = frozenset(
    {
        "function_call", "custom_tool_call", "mcp_call", "computer_call", "local_shell_call", "apply_patch_call",
        "tool_search_call",
    }
)  # fmt: skip
_CONTAINER_CALLS = ("code_interpreter_call", "shell_call")
_CONTAINER_SECONDS = 1200.0
"""A container is charged for so many seconds, and for as many again when they are over."""
_FIRST_MEMORY = "1g"
_TERMINAL = (b'"response.completed"', b'"response.incomplete"', b'"response.failed"', b'"response.cancelled"')
_ITEM_EVENTS = (b'"response.output_item.added"', b'"response.output_item.done"')
_USAGE_MARKS = re.compile(rb"search|server_")
"""Parts of the names under which providers of chat state in `usage` what their tools did."""
_any = msgspec.json.Decoder()


class ToolUse(msgspec.Struct, frozen=True, kw_only=True):
    """The tools that one answer used."""

    counts: dict[str, int] = {}
    """Uses by the tool's name in the price list."""
    images: tuple[ImageRequest, ...] = ()
    """The images among them, if the answer does not state their tokens."""
    image_model: str = ""
    """The model that made the images, if the answer states their tokens."""
    image_usage: Usage = Usage()


NO_TOOL_USE = ToolUse()


class PaidTools(msgspec.Struct, frozen=True, kw_only=True):
    """The tools with a fee that a request offers, by their names in the price list."""

    per_call: tuple[str, ...] = ()
    """Tools that are charged for each call, of which `max_tool_calls` limits the number."""
    once: tuple[str, ...] = ()
    """Tools that are charged once for an answer: containers, and the search of a chat."""
    images: tuple[ImageRequest, ...] = ()
    """What each offered image tool may make."""


NO_PAID_TOOLS = PaidTools()


def paid_tools(route: Endpoint, model: str, body: Json) -> PaidTools:
    """Return the tools with a fee that a request offers. A chat model may search the web for each answer."""
    if route.format is Format.CHAT:
        if body.get("web_search_options") is None and "-search-" not in model:
            return NO_PAID_TOOLS
        return PaidTools(once=(_chat_search(model),))
    tools = body.get("tools")
    if route.format is not Format.RESPONSES or not isinstance(tools, list) or not tools:
        return NO_PAID_TOOLS
    per_call, once = [], []
    images = tuple(image_request(tool) for tool in _dicts(tools) if tool.get("type") == IMAGE_TOOL)
    for tool in _dicts(tools):
        name = _tool_name(tool)
        if name.startswith("code_interpreter"):
            once.append(name)
        elif name:
            per_call.append(name)
    if not per_call and not once:
        return NO_PAID_TOOLS
    return PaidTools(per_call=tuple(per_call), once=tuple(once), images=images)


def tool_use(  # all that is known of the answer
    route: Endpoint, model: str, body: Json, *, events: Iterable[bytes], usage: bytes | None, seconds: float
) -> ToolUse:
    """Return what an answer used, complete or cut off; `seconds` is its duration.

    What the answer states as used counts; else its output items do.
    """
    stated = _stated_in_usage(usage) if usage and _USAGE_MARKS.search(usage) else {}
    if route.format is Format.CHAT:
        searched = dict.fromkeys(paid_tools(route, model, body).once, 1)
        return ToolUse(counts=searched | stated) if searched or stated else NO_TOOL_USE
    may_use = bool(body.get("prompt")) or paid_tools(route, model, body) != NO_PAID_TOOLS
    if route.format is not Format.RESPONSES or not may_use:
        return ToolUse(counts=stated) if stated else NO_TOOL_USE
    document = _last_document(events)
    offered = _dicts(document.get("tools") or body.get("tools"))
    output = _dicts(document.get("output")) if document else list(_items_so_far(events))
    counts = _counted(output, offered, seconds)
    counts |= {name: max(count, counts.get(name, 0)) for name, count in stated.items()}
    maker = next((tool for tool in offered if tool.get("type") == IMAGE_TOOL), {})
    images = tuple(image_request(maker, item) for item in output if item.get("type") == f"{IMAGE_TOOL}_call")
    return _with_statement(ToolUse(counts=counts, images=images), document.get("tool_usage"), offered)


def _with_statement(counted: ToolUse, statement: Any, offered: list[Json]) -> ToolUse:
    """Let what the answer states replace what was counted."""
    if not isinstance(statement, dict):
        return counted
    counts = counted.counts
    searches = _object(statement.get("web_search")).get("num_requests")
    if isinstance(searches, int) and not isinstance(searches, bool) and searches >= 0:
        name = _search_name(offered)
        counts = {**counts, name: searches}
    images = _object(statement.get("image_gen"))
    used = _image_usage(images)
    if not used.input and not used.output:
        return ToolUse(counts=counts, images=counted.images)
    models = (tool.get("model") for tool in offered if tool.get("type") == IMAGE_TOOL)
    model = next((model for model in models if isinstance(model, str)), DEFAULT_IMAGE_MODEL)
    return ToolUse(counts=counts, image_model=model, image_usage=used)


def _image_usage(images: Json) -> Usage:
    """Return the tokens of images. Output without details is all image: that is its dearest kind."""
    into, out = _object(images.get("input_tokens_details")), images.get("output_tokens_details")
    cached = _object(images.get("cached_tokens_details"))
    output = _count(images.get("output_tokens"))
    return Usage(
        input=_count(images.get("input_tokens")),
        cached=_count(images.get("cached_tokens")),
        input_image=_count(into.get("image_tokens")),
        cached_image=_count(cached.get("cached_image_tokens")),
        output=output,
        output_image=_count(out.get("image_tokens")) if isinstance(out, dict) else output,
    )


def _counted(output: list[Json], offered: list[Json], seconds: float) -> dict[str, int]:
    """Count the uses in the output's items."""
    counts: dict[str, int] = {}
    containers: set[str] = set()
    for number, item in enumerate(output):
        kind = str(item.get("type"))
        if kind in _CONTAINER_CALLS:
            if (container := _container(item, number)) is not None:
                containers.add(container)
        elif kind == "web_search_call":
            if _is_search(item):
                name = _search_name(offered)
                counts[name] = counts.get(name, 0) + 1
        elif kind.endswith("_call") and kind not in _FREE_CALLS:
            name = kind.removesuffix("_call")
            counts[name] = counts.get(name, 0) + 1
    if containers:
        counts[_container_name(offered)] = len(containers) * (1 + int(seconds // _CONTAINER_SECONDS))
    return counts


def _is_search(item: Json) -> bool:
    """Return whether one item searched; opening a page and finding a text in it are free (OpenAI, "Web search")."""
    return _object(item.get("action")).get("type") in (None, "search")


def _container(item: Json, number: int) -> str | None:
    """Return what identifies the item's container; None where the caller's own machine runs it."""
    environment = _object(item.get("environment"))
    if item.get("type") == "shell_call" and environment.get("type") != "container_reference":
        return None
    container = item.get("container_id") or environment.get("container_id")
    return container if isinstance(container, str) else f"unnamed {number}"


def _container_name(offered: list[Json]) -> str:
    """Return the name of the largest container that is offered."""
    names = [name for tool in offered if (name := _tool_name(tool)).startswith("code_interpreter")]
    return max(names, key=_memory_of, default="code_interpreter")


def _memory_of(name: str) -> int:
    size = name.rpartition("_")[2].removesuffix("g")
    return int(size) if size.isdecimal() else 1


def _search_name(offered: list[Json]) -> str:
    names = {_tool_name(tool) for tool in offered}
    return "web_search_preview" if "web_search_preview" in names else "web_search"


def _tool_name(tool: Json) -> str:
    """Return the name of an offered tool in the price list; empty for a tool without a fee."""
    kind = str(tool.get("type"))
    if kind in _FREE_TOOLS:
        return ""
    if kind.startswith("web_search"):
        return "web_search_preview" if kind.startswith("web_search_preview") else "web_search"
    if kind not in ("code_interpreter", "shell"):
        return kind
    where = _object(tool.get("container" if kind == "code_interpreter" else "environment"))
    if kind == "shell" and where.get("type") not in ("container_auto", "container_reference"):
        return ""  # the caller runs its commands
    memory = where.get("memory_limit") or _FIRST_MEMORY
    return "code_interpreter" if memory == _FIRST_MEMORY else f"code_interpreter_{memory}"


def _chat_search(model: str) -> str:
    return "web_search_preview" if model.startswith(("gpt-4", "ft:gpt-4")) else "web_search"


def _stated_in_usage(usage: bytes) -> dict[str, int]:
    """Return the uses that `usage` states: of Perplexity, OpenRouter and Anthropic, and xAI."""
    try:
        stated = _object(_any.decode(usage))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return {}
    server = _object(stated.get("server_tool_use"))
    searches = max(_count(stated.get("num_search_queries")), _count(server.get("web_search_requests")))
    counts = {"web_search": searches}
    for name, value in _object(stated.get("server_side_tool_usage_details")).items():
        if name != "mcp_calls":
            counts[name.removesuffix("_calls")] = _count(value)
    return {name: count for name, count in counts.items() if count}


def _last_document(events: Iterable[bytes]) -> Json:
    """Return the Response of a body, or of a stream's terminal event; empty where it did not arrive."""
    for event in reversed(tuple(events)):
        if event.lstrip()[:1] == b"{":
            return _decoded(event)
        if any(kind in event for kind in _TERMINAL):
            document = _object(_decoded(sse.data_of(event) or b"").get("response"))
            if document:
                return document
    return {}


def _items_so_far(events: Iterable[bytes]) -> Iterator[Json]:
    """Yield the latest state of each item that a stream has begun."""
    items: dict[Any, Json] = {}
    for event in events:
        if any(kind in event for kind in _ITEM_EVENTS):
            document = _decoded(sse.data_of(event) or b"")
            items[str(document.get("output_index"))] = _object(document.get("item"))
    return iter(items.values())


def _decoded(data: bytes) -> Json:
    try:
        return _object(_any.decode(data))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return {}


def _object(value: Any) -> Json:
    return value if isinstance(value, dict) else {}


def _dicts(value: Any) -> list[Json]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _count(value: Any) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else 0
