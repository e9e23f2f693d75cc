"""Parts that the API leaves out by default are left out, and nothing else is."""

from typing import Any

import pytest

from tidegate.conversations.documents.include import INCLUDE_NAMES, checked_include, filter_item
from tidegate.core.errors import InvalidParameter

Json = dict[str, Any]

IMAGE: Json = {"type": "input_image", "image_url": "data:,"}
CASES: list[tuple[str, Json, Json]] = [
    (
        "reasoning.encrypted_content",
        {"type": "reasoning", "summary": [], "encrypted_content": "x"},
        {"type": "reasoning", "summary": []},
    ),
    (
        "message.input_image.image_url",
        {"type": "message", "content": [IMAGE, {"type": "input_text"}]},
        {"type": "message", "content": [{**IMAGE, "image_url": None}, {"type": "input_text"}]},
    ),
    (
        "message.output_text.logprobs",
        {"type": "message", "content": [{"type": "output_text", "logprobs": [{"token": "a"}]}]},
        {"type": "message", "content": [{"type": "output_text", "logprobs": []}]},
    ),
    (
        "file_search_call.results",
        {"type": "file_search_call", "results": [1]},
        {"type": "file_search_call", "results": None},
    ),
    ("web_search_call.results", {"type": "web_search_call", "results": [1]}, {"type": "web_search_call"}),
    (
        "web_search_call.action.sources",
        {"type": "web_search_call", "action": {"type": "search", "sources": [1]}},
        {"type": "web_search_call", "action": {"type": "search"}},
    ),
    (
        "computer_call_output.output.image_url",
        {"type": "computer_call_output", "output": {"type": "computer_screenshot", "image_url": "data:,"}},
        {"type": "computer_call_output", "output": {"type": "computer_screenshot"}},
    ),
    (
        "code_interpreter_call.outputs",
        {"type": "code_interpreter_call", "outputs": [1]},
        {"type": "code_interpreter_call", "outputs": None},
    ),
]


@pytest.mark.parametrize(("name", "item", "without"), CASES)
def test_a_part_is_shown_only_to_who_asks_for_it(name: str, item: Json, without: Json) -> None:
    before = repr(item)
    assert filter_item(item, {name}) == item
    assert filter_item(item, INCLUDE_NAMES - {name}) == without
    assert repr(item) == before


@pytest.mark.parametrize("item", [{"type": "message", "content": "text"}, {"type": "unheard_of", "results": [1]}, {}])
def test_anything_else_is_left_alone(item: Json) -> None:
    assert filter_item(item, ()) == item


def test_every_name_of_the_api_is_known_and_no_other() -> None:
    assert checked_include(INCLUDE_NAMES) == {name for name, _, _ in CASES}
    with pytest.raises(InvalidParameter) as refused:
        checked_include(["everything"])
    assert refused.value.param == "include"
    assert "reasoning.encrypted_content" in refused.value.message
