"""A Response has the items of the tools that it used, and states their use, as OpenAI's own types have them."""

from typing import Any

import msgspec
import pytest
from openai.types.responses import Response

from tests.simulator.client import IDENTITY, RESPONSES, upstream
from tidegate.simulator.answers.hosted_tools import billed_name, tool_items, tool_usage

USES = {"web_search": 2, "file_search": 1, "code_interpreter": 1, "image_generation": 1}
SEARCH = {"type": "web_search_call", "action": {"type": "search"}}
IDENTITY_WITH_TOOLS = msgspec.structs.replace(IDENTITY, tools=USES)


@pytest.mark.parametrize(("limit", "count"), [({}, 5), ({"max_tool_calls": 1}, 1), ({"max_tool_calls": 0}, 0)])
def test_uses_are_items_as_far_as_the_request_allows(limit: dict[str, int], count: int) -> None:
    items = tool_items(limit, IDENTITY_WITH_TOOLS)

    pages = [item for item in items if item.get("action", {}).get("type") == "open_page"]
    assert len(items) - len(pages) == count
    assert len(pages) == min(count, 1)


def test_the_use_is_stated_unless_it_is_not_to_be() -> None:
    stated = tool_usage({}, IDENTITY_WITH_TOOLS)
    assert stated is not None
    assert stated["web_search"] == {"num_requests": 2}
    assert stated["image_gen"]["total_tokens"] > 0
    assert tool_usage({}, msgspec.structs.replace(IDENTITY_WITH_TOOLS, states_tool_usage=False)) is None


@pytest.mark.parametrize(
    ("item", "tools", "name"),
    [
        ({"type": "web_search_call", "action": {"type": "search"}}, [{"type": "web_search"}], "web_search"),
        (
            {"type": "web_search_call", "action": {"type": "search"}},
            [{"type": "web_search_preview"}],
            "web_search_preview",
        ),
        ({"type": "web_search_call", "action": {"type": "open_page"}}, [{"type": "web_search"}], ""),
        ({"type": "file_search_call"}, [], "file_search"),
        ({"type": "code_interpreter_call"}, [{"type": "code_interpreter", "container": "cntr_1"}], "container 1g"),
        (
            {"type": "code_interpreter_call"},
            [{"type": "code_interpreter", "container": {"type": "auto", "memory_limit": "4g"}}],
            "container 4g",
        ),
        (
            {"type": "image_generation_call"},
            [{"type": "image_generation", "model": "gpt-image-1.5"}],
            "image gpt-image-1.5 1056",
        ),
        (
            {"type": "image_generation_call"},
            [{"type": "image_generation", "model": "gpt-image-2.5-flare", "quality": "high", "size": "1536x1024"}],
            "image gpt-image-2.5-flare 1372",
        ),
        ({"type": "message"}, [], ""),
    ],
)
def test_an_item_is_billed_as(item: dict[str, Any], tools: list[Any], name: str) -> None:
    assert billed_name(item, tools) == name


async def test_the_official_sdk_reads_them() -> None:
    async with upstream() as simulator:
        uses = ", ".join(f"{tool}={count}" for tool, count in USES.items())
        async with simulator.post("/responses", RESPONSES, x_simulate_tools=uses) as answer:
            response = Response.model_validate_json(await answer.read(), strict=True)
    assert response.tool_usage is not None
    assert response.tool_usage.web_search.num_requests == 2
    assert [item.type for item in response.output].count("web_search_call") == 3
