"""Items get an id and a full form when they are stored, and lose both on their way to a stateless upstream."""

from typing import Any

import msgspec
import pytest

from tests.conversations.counted_ids import counted_ids
from tidegate.conversations.documents import items
from tidegate.core.errors import InvalidParameter

Json = dict[str, Any]
HELLO: Json = {"role": "user", "content": "Hello"}


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (None, []),
        ("Hello", [{"type": "message", "role": "user", "content": "Hello"}]),
        ([HELLO], [HELLO]),
        ([], []),
    ],
)
def test_an_input_is_a_list_of_items(given: Any, expected: list[Json]) -> None:
    assert items.input_items(given) == expected


@pytest.mark.parametrize(
    ("given", "param"), [(1, "input"), ({}, "input"), (["Hello"], "input[0]"), ([HELLO, None], "input[1]")]
)
def test_an_input_that_is_none_is_refused(given: Any, param: str) -> None:
    with pytest.raises(InvalidParameter) as refused:
        items.input_items(given)
    assert refused.value.param == param


@pytest.mark.parametrize(
    ("item", "param"),
    [
        ({"role": ["user"]}, "input[1].role"),
        ({"type": 5}, "input[1].type"),
        ({"role": "user", "id": {}}, "input[1].id"),
        ({"role": "user", "status": 1}, "input[1].status"),
        ({}, "input[1]"),
        ({"content": "x"}, "input[1]"),
    ],
)
def test_an_item_that_is_none_is_named_by_its_place(item: Json, param: str) -> None:
    with pytest.raises(InvalidParameter) as refused:
        items.input_items([HELLO, item])
    assert refused.value.param == param
    with pytest.raises(InvalidParameter) as refused:
        items.input_items([HELLO, item], "items")
    assert refused.value.param == param.replace("input", "items")


def message(role: str, *content: Json) -> Json:
    return {"id": "msg_1", "type": "message", "role": role, "content": list(content), "status": "completed"}


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (HELLO, message("user", {"type": "input_text", "text": "Hello"})),
        (
            {"role": "assistant", "content": "Hi"},
            message("assistant", {"type": "output_text", "text": "Hi", "annotations": [], "logprobs": []}),
        ),
        (
            {"role": "user", "content": [{"type": "input_image", "image_url": "data:,"}]},
            message("user", {"type": "input_image", "image_url": "data:,", "detail": "auto"}),
        ),
        (
            {"type": "function_call_output", "id": "theirs", "call_id": "call_1", "output": "4"},
            {"id": "fco_1", "type": "function_call_output", "call_id": "call_1", "output": "4", "status": "completed"},
        ),
        (
            {
                "type": "function_call_output",
                "call_id": "c",
                "output": [{"type": "input_image", "image_url": "data:,"}],
            },
            {
                "id": "fco_1",
                "type": "function_call_output",
                "call_id": "c",
                "output": [{"detail": "auto", "type": "input_image", "image_url": "data:,"}],
                "status": "completed",
            },
        ),
        (
            {"type": "reasoning", "id": "rs_theirs", "summary": [], "encrypted_content": "x"},
            {"id": "rs_theirs", "type": "reasoning", "summary": [], "encrypted_content": "x"},
        ),
        ({"type": "reasoning", "summary": []}, {"id": "rs_1", "type": "reasoning", "summary": []}),
        ({"type": "new_kind", "status": "failed"}, {"id": "item_1", "type": "new_kind", "status": "failed"}),
    ],
)
def test_a_kept_item_is_whole(given: Json, expected: Json) -> None:
    assert items.stored_item(given, counted_ids()) == expected


def test_what_goes_upstream_has_no_name_but_sealed_ones_and_no_reasoning_without_content() -> None:
    said = [
        items.stored_item(HELLO, counted_ids()),
        {"id": "rs_2", "type": "reasoning", "summary": []},
        {"id": "rs_3", "type": "reasoning", "summary": [], "encrypted_content": "gAAAA"},
        {"id": "fc_4", "type": "function_call", "call_id": "c", "name": "f", "arguments": "{}", "status": "completed"},
        {"id": "ws_5", "type": "web_search_call", "status": "completed"},
    ]
    assert items.upstream_items(said) == [
        {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Hello"}]},
        {"id": "rs_3", "type": "reasoning", "summary": [], "encrypted_content": "gAAAA"},
        {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"},
        {"id": "ws_5", "type": "web_search_call", "status": "completed"},
    ]


@pytest.mark.parametrize(
    ("names", "following", "kept"),
    [
        ("u r a", None, "u r a"),
        ("u r", None, "u"),
        ("u r u", None, "u u"),
        ("u r r u", None, "u u"),
        ("u r r a", None, "u r r a"),
        ("r c o r", None, "r c o"),
        ("c r o", None, "c o"),
        ("u r", "a", "u r"),
        ("u r", "u", "u"),
        ("", "u", ""),
    ],
)
def test_reasoning_goes_with_what_it_led_to(names: str, following: str | None, kept: str) -> None:
    known: dict[str, Json] = {
        "u": {"role": "user"},
        "a": {"type": "message", "role": "assistant"},
        "r": {"type": "reasoning"},
        "c": {"type": "function_call"},
        "o": {"type": "function_call_output"},
    }
    after = known[following] if following else None
    left = items.without_dangling_reasoning([known[name] for name in names.split()], after)
    assert left == [known[name] for name in kept.split()]


def test_a_compaction_of_ours_speaks_again_and_anothers_goes_on_untouched() -> None:
    ours = items.compaction_item([HELLO, {"role": "developer", "content": "They spoke of tides."}], counted_ids())
    theirs = {"type": "compaction", "id": "cmp_9", "encrypted_content": "gAAAA"}
    assert "tides" not in ours["encrypted_content"]
    *results, untouched = items.upstream_items([ours, theirs])
    assert [said["content"] for said in results] == ["Hello", "They spoke of tides."]
    assert untouched == theirs


@pytest.mark.parametrize("content", ["tg1.!!!!", "tg1.aGVsbG8=", "tg1.a"])
def test_a_damaged_compaction_is_refused(content: str) -> None:
    with pytest.raises(InvalidParameter):
        items.upstream_items([{"type": "compaction", "encrypted_content": content}])


JSONB = (
    b'{"id": "msg_1", "role": "user", "type": "message", "status": "completed", '
    b'"content": [{"text": "He said: \\"id\\"", "type": "input_text"}]}'
)


@pytest.mark.parametrize(
    "kept",
    [
        JSONB,
        JSONB.replace(b'"role": "user"', b'"role": "assistant"'),
        JSONB.replace(b": ", b":"),
        JSONB.replace(b'"type": "message", ', b'"type": "message", "phase": "commentary", '),
        JSONB.replace(b'"message"', b'"function_call_output"').replace(b"content", b"output"),
        b'{"id":"rs_1","type":"reasoning","summary":[]}',
        b'{"id":"cmp_1","type":"compaction","encrypted_content":"theirs"}',
    ],
)
def test_what_is_kept_goes_upstream_as_if_it_had_been_decoded(kept: bytes) -> None:
    plain = items.upstream_items([msgspec.json.decode(kept)])
    assert [msgspec.json.decode(item) for item in items.encoded_upstream_items(kept)] == plain
