"""The uses of hosted tools are counted from what an answer states, else from its items, complete or cut off."""

from typing import Any

import msgspec
import pytest

from tidegate.core import endpoints
from tidegate.core.endpoints import Endpoint
from tidegate.core.values import Usage
from tidegate.wire import sse
from tidegate.wire.charges.hosted_tools import NO_PAID_TOOLS, NO_TOOL_USE, PaidTools, ToolUse, paid_tools, tool_use
from tidegate.wire.charges.images import ImageRequest

SEARCH = {"type": "web_search_call", "status": "completed", "action": {"type": "search", "queries": ["tide", "moon"]}}
OPEN_PAGE = {
    "type": "web_search_call",
    "status": "completed",
    "action": {"type": "open_page", "url": "https://a.example"},
}
FIND = {"type": "web_search_call", "status": "completed", "action": {"type": "find_in_page", "pattern": "x"}}
FILES = {"type": "file_search_call", "queries": ["a", "b"]}
IMAGE = {"type": "image_generation_call", "status": "completed"}
WEB, PREVIEW = {"type": "web_search"}, {"type": "web_search_preview_2025_03_11"}
FUNCTION = {"type": "function", "name": "f"}


def code(container: str | None) -> dict[str, Any]:
    return {"type": "code_interpreter_call", "container_id": container}


def python(memory: str | None = None) -> dict[str, Any]:
    return {"type": "code_interpreter", "container": {"type": "auto", **({"memory_limit": memory} if memory else {})}}


def shell(kind: str, **more: Any) -> dict[str, Any]:
    return {"type": "shell", "environment": {"type": kind, **more}}


@pytest.mark.parametrize(
    ("route", "model", "body", "tools"),
    [
        (endpoints.RESPONSES, "gpt-5", {}, NO_PAID_TOOLS),
        (endpoints.RESPONSES, "gpt-5", {"tools": [FUNCTION, {"type": "mcp"}, {"type": "custom"}]}, NO_PAID_TOOLS),
        (endpoints.RESPONSES, "gpt-5", {"tools": "web_search"}, NO_PAID_TOOLS),
        (endpoints.RESPONSES, "gpt-5", {"tools": [WEB, FUNCTION]}, PaidTools(per_call=("web_search",))),
        (endpoints.RESPONSES, "gpt-5", {"tools": [PREVIEW]}, PaidTools(per_call=("web_search_preview",))),
        (endpoints.RESPONSES, "gpt-5", {"tools": [{"type": "file_search"}]}, PaidTools(per_call=("file_search",))),
        (endpoints.RESPONSES, "gpt-5", {"tools": [python()]}, PaidTools(once=("code_interpreter",))),
        (endpoints.RESPONSES, "gpt-5", {"tools": [python("4g")]}, PaidTools(once=("code_interpreter_4g",))),
        (
            endpoints.RESPONSES,
            "gpt-5",
            {"tools": [{"type": "code_interpreter", "container": "cntr_1"}]},
            PaidTools(once=("code_interpreter",)),
        ),
        (endpoints.RESPONSES, "gpt-5", {"tools": [shell("container_auto")]}, PaidTools(once=("code_interpreter",))),
        (endpoints.RESPONSES, "gpt-5", {"tools": [shell("local"), {"type": "shell"}]}, NO_PAID_TOOLS),
        (endpoints.RESPONSES, "gpt-5", {"tools": [{"type": "tea_making"}]}, PaidTools(per_call=("tea_making",))),
        (endpoints.CHAT, "gpt-4o-search-preview", {}, PaidTools(once=("web_search_preview",))),
        (endpoints.CHAT, "gpt-5-search-api", {}, PaidTools(once=("web_search",))),
        (endpoints.CHAT, "sonar", {"web_search_options": {}}, PaidTools(once=("web_search",))),
        (endpoints.CHAT, "gpt-4o", {"tools": [FUNCTION]}, NO_PAID_TOOLS),
        (endpoints.EMBEDDINGS, "text-embedding-3-small", {"tools": [WEB]}, NO_PAID_TOOLS),
    ],
)
def test_the_tools_with_a_fee_are_known(route: Endpoint, model: str, body: Any, tools: PaidTools) -> None:
    assert paid_tools(route, model, body) == tools


def use(output: list[Any], tools: list[Any], *, seconds: float = 1.0, **more: Any) -> ToolUse:
    events = [msgspec.json.encode({"status": "completed", "output": output, **more})]
    body = {"tools": tools}
    return tool_use(endpoints.RESPONSES, "gpt-5", body, events=events, usage=None, seconds=seconds)


@pytest.mark.parametrize(
    ("output", "tools", "counts"),
    [
        ([SEARCH, SEARCH, OPEN_PAGE, FIND, SEARCH], [WEB], {"web_search": 3}),
        ([SEARCH], [PREVIEW], {"web_search_preview": 1}),
        ([{"type": "web_search_call", "status": "failed"}], [WEB], {"web_search": 1}),
        ([FILES, FILES], [{"type": "file_search"}], {"file_search": 2}),
        ([code("a"), code("a"), code("b")], [python()], {"code_interpreter": 2}),
        ([code("a")], [python("16g"), python("4g")], {"code_interpreter_16g": 1}),
        ([code(None)], [python()], {"code_interpreter": 1}),
        (
            [{"type": "shell_call", "environment": {"type": "container_reference", "container_id": "a"}}, code("a")],
            [shell("container_auto"), python()],
            {"code_interpreter": 1},
        ),
        ([{"type": "shell_call", "environment": {"type": "local"}}], [shell("local"), WEB], {}),
        ([IMAGE], [{"type": "image_generation"}], {"image_generation": 1}),
        (
            [{"type": "tea_making_call"}, {"type": "tea_making_call_output"}],
            [{"type": "tea_making"}],
            {"tea_making": 1},
        ),
        ([{"type": "function_call"}, {"type": "mcp_call"}, {"type": "message"}, None, 7], [WEB], {}),
    ],
)
def test_items_of_the_output_are_counted(output: list[Any], tools: list[Any], counts: dict[str, int]) -> None:
    assert use(output, tools).counts == counts


def test_a_container_is_charged_for_again_after_twenty_minutes() -> None:
    counts = [use([code("a")], [python()], seconds=seconds).counts for seconds in (1199, 1200, 2400)]

    assert [count["code_interpreter"] for count in counts] == [1, 2, 3]


@pytest.mark.parametrize(
    ("stated", "count"),
    [({"num_requests": 2}, 2), ({"num_requests": 0}, 0), ({}, 3), ({"num_requests": "2"}, 3), (None, 3)],
)
def test_what_the_answer_states_counts_before_its_items(stated: Any, count: int) -> None:
    told = use([SEARCH, SEARCH, SEARCH], [WEB], tool_usage={"web_search": stated, "image_gen": None})

    assert told.counts == {"web_search": count}


def test_images_are_charged_by_their_tokens_where_they_are_stated() -> None:
    stated = {
        "input_tokens": 60,
        "input_tokens_details": {"image_tokens": 40, "text_tokens": 20},
        "cached_tokens": 10,
        "cached_tokens_details": {"cached_image_tokens": 8, "cached_text_tokens": 2},
        "output_tokens": 1000,
        "output_tokens_details": {"image_tokens": 990, "text_tokens": 10},
        "total_tokens": 1060,
    }
    tools = [{"type": "image_generation", "model": "gpt-image-1.5"}]
    told = use([IMAGE], tools, tool_usage={"web_search": {"num_requests": 0}, "image_gen": stated})
    short = use([IMAGE], [{"type": "image_generation"}], tool_usage={"image_gen": {"output_tokens": 7}})
    zeros = use([IMAGE], tools, tool_usage={"image_gen": {"input_tokens": 0, "output_tokens": 0}})

    usage = Usage(input=60, input_image=40, cached=10, cached_image=8, output=1000, output_image=990)
    assert told == ToolUse(
        counts={"web_search": 0, "image_generation": 1}, image_model="gpt-image-1.5", image_usage=usage
    )
    assert short.image_usage == Usage(output=7, output_image=7)
    assert short.image_model.startswith("gpt-image-")
    assert zeros == ToolUse(counts={"image_generation": 1}, images=(ImageRequest(model="gpt-image-1.5"),))


def test_images_without_a_statement_are_what_their_items_or_their_tool_say() -> None:
    tools = [{"type": "image_generation", "model": "gpt-image-2", "size": "1024x1536", "partial_images": 2}]
    items = [{**IMAGE, "size": "1536x1024", "quality": "low"}, IMAGE]

    assert use(items, tools).images == (
        ImageRequest(model="gpt-image-2", size="1536x1024", quality="low", previews=2),
        ImageRequest(model="gpt-image-2", size="1024x1536", quality="auto", previews=2),
    )
    assert paid_tools(endpoints.RESPONSES, "gpt-5", {"tools": tools}).images == (
        ImageRequest(model="gpt-image-2", size="1024x1536", previews=2),
    )


def event(kind: str, **fields: Any) -> bytes:
    return sse.encode(msgspec.json.encode({"type": kind, **fields}), kind)


def test_a_stream_is_read_at_its_end_or_as_far_as_it_came() -> None:
    begun = {"type": "web_search_call", "status": "in_progress"}
    events = [
        event("response.created", response={"status": "in_progress", "output": []}),
        event("response.output_item.added", output_index=0, item=begun),
        event("response.web_search_call.searching", output_index=0),
        event("response.output_item.done", output_index=0, item=OPEN_PAGE),
        event("response.output_item.added", output_index=1, item=begun),
    ]
    end = event("response.completed", response={"status": "completed", "output": [SEARCH, SEARCH, OPEN_PAGE]})

    def counts(seen: list[bytes]) -> dict[str, int]:
        body = {"tools": [WEB]}
        return tool_use(endpoints.RESPONSES, "gpt-5", body, events=seen, usage=None, seconds=1.0).counts

    assert [counts(events[:length]) for length in range(6)] == [
        {},
        {},
        {"web_search": 1},
        {"web_search": 1},
        {},
        {"web_search": 1},
    ]
    assert counts([*events, end]) == {"web_search": 2}
    assert counts(
        [*events, b"data: {\n\n", b'event: response.output_item.added\ndata: {"type":"response.output_item.added"\n\n']
    )


def test_a_stored_prompt_may_bring_tools_that_the_request_does_not_name() -> None:
    events = [msgspec.json.encode({"status": "completed", "tools": [PREVIEW], "output": [SEARCH]})]

    told = tool_use(endpoints.RESPONSES, "pmpt_1", {"prompt": {"id": "pmpt_1"}}, events=events, usage=None, seconds=1.0)

    assert told.counts == {"web_search_preview": 1}


@pytest.mark.parametrize(
    ("model", "body", "usage", "counts"),
    [
        ("gpt-4o", {}, {"prompt_tokens": 1}, {}),
        ("gpt-4o-search-preview", {}, {"prompt_tokens": 1}, {"web_search_preview": 1}),
        ("sonar", {}, {"num_search_queries": 18}, {"web_search": 18}),
        ("sonar", {"web_search_options": {}}, {"num_search_queries": 18}, {"web_search": 18}),
        ("claude", {}, {"server_tool_use": {"web_search_requests": 2}}, {"web_search": 2}),
        (
            "grok",
            {},
            {"server_side_tool_usage_details": {"web_search_calls": 2, "x_search_calls": 1, "mcp_calls": 4}},
            {"web_search": 2, "x_search": 1},
        ),
        ("odd", {}, {"num_search_queries": "x", "server_tool_use": 7, "server_side_tool_usage_details": []}, {}),
    ],
)
def test_chat_states_its_searches_in_usage_or_searches_once(model: str, body: Any, usage: Any, counts: Any) -> None:
    told = tool_use(endpoints.CHAT, model, body, events=[], usage=msgspec.json.encode(usage), seconds=1.0)

    assert told == (ToolUse(counts=counts) if counts else NO_TOOL_USE)


def test_a_call_without_hosted_tools_is_not_read_at_all() -> None:
    def never() -> Any:
        raise AssertionError
        yield

    told = tool_use(endpoints.RESPONSES, "gpt-5", {"tools": [FUNCTION]}, events=never(), usage=b"{}", seconds=1.0)

    assert told is NO_TOOL_USE
