"""Input items become messages in chat's order: each output directly after its parallel calls."""

from typing import Any

import pytest

from tidegate.core.errors import InvalidParameter, NotTranslatable
from tidegate.wire.translate.messages import DROPPED_ITEMS, messages_of

Json = dict[str, Any]


def user(words: str) -> Json:
    return {"role": "user", "content": words}


def assistant_item(words: str, **more: Any) -> Json:
    part = {"type": "output_text", "text": words, "annotations": []}
    return {"id": "msg_1", "type": "message", "role": "assistant", "status": "completed", "content": [part], **more}


def call(call_id: str, name: str = "f") -> Json:
    return {"id": "fc_1", "type": "function_call", "call_id": call_id, "name": name, "arguments": "{}"}


def output(call_id: str, words: Any = "ok") -> Json:
    return {"type": "function_call_output", "call_id": call_id, "output": words}


def chat_call(call_id: str, name: str = "f") -> Json:
    return {"id": call_id, "type": "function", "function": {"name": name, "arguments": "{}"}}


def assistant(content: str | None, *calls: Json) -> Json:
    return {"role": "assistant", "content": content, **({"tool_calls": list(calls)} if calls else {})}


def tool(call_id: str, content: Any = "ok") -> Json:
    return {"role": "tool", "tool_call_id": call_id, "content": content}


CUSTOM: Json = {"type": "custom_tool_call", "call_id": "c", "name": "log", "input": "x y"}
CUSTOM_CHAT: Json = {"id": "c", "type": "custom", "custom": {"name": "log", "input": "x y"}}
REASONING: Json = {"id": "rs_1", "type": "reasoning", "summary": [], "encrypted_content": "gAAA"}

CONVERSATIONS: dict[str, tuple[list[Json], list[Json]]] = {
    "one question": ([user("hi")], [user("hi")]),
    "roles": (
        [{"role": "developer", "content": "d"}, {"role": "system", "content": "s"}, {"type": "message", **user("u")}],
        [{"role": "system", "content": "d"}, {"role": "system", "content": "s"}, user("u")],
    ),
    "an answer": ([user("a"), assistant_item("b"), user("c")], [user("a"), assistant("b"), user("c")]),
    "an answer in short": ([user("a"), {"role": "assistant", "content": "b"}], [user("a"), assistant("b")]),
    "two answers": ([user("a"), assistant_item("b"), assistant_item("c")], [user("a"), assistant("b"), assistant("c")]),
    "an empty answer": ([user("a"), assistant_item("", content=[])], [user("a"), assistant("")]),
    "a call": ([user("a"), call("1"), output("1")], [user("a"), assistant(None, chat_call("1")), tool("1")]),
    "a call after words": (
        [assistant_item("let me see"), call("1"), output("1")],
        [assistant("let me see", chat_call("1")), tool("1")],
    ),
    "words after a call": (
        [call("1"), assistant_item("done"), output("1")],
        [assistant("done", chat_call("1")), tool("1")],
    ),
    "calls at once": (
        [call("1"), call("2", "g"), output("2"), output("1")],
        [assistant(None, chat_call("1"), chat_call("2", "g")), tool("2"), tool("1")],
    ),
    "calls one by one": (
        [call("1"), output("1"), call("2"), output("2")],
        [assistant(None, chat_call("1")), tool("1"), assistant(None, chat_call("2")), tool("2")],
    ),
    "an output that comes late": (
        [call("1"), call("2"), output("1"), user("and?"), output("2")],
        [assistant(None, chat_call("1"), chat_call("2")), tool("1"), tool("2"), user("and?")],
    ),
    "a custom tool": (
        [CUSTOM, {"type": "custom_tool_call_output", "call_id": "c", "output": "logged"}],
        [assistant(None, CUSTOM_CHAT), tool("c", "logged")],
    ),
    "reasoning": (
        [user("a"), REASONING, call("1"), REASONING, output("1"), REASONING, assistant_item("b")],
        [user("a"), assistant(None, chat_call("1")), tool("1"), assistant("b")],
    ),
    "a refusal": (
        [user("a"), assistant_item("", content=[{"type": "refusal", "refusal": "no"}])],
        [user("a"), {**assistant(None), "refusal": "no"}],
    ),
}


@pytest.mark.parametrize("name", CONVERSATIONS)
def test_a_conversation_crosses_over(name: str) -> None:
    items, messages = CONVERSATIONS[name]
    assert messages_of({"input": items}) == messages


def thought(words: str, **more: Any) -> Json:
    return {
        "id": "rs_1",
        "type": "reasoning",
        "summary": [],
        "content": [{"type": "reasoning_text", "text": words}],
        **more,
    }


def test_reasoning_is_given_back_where_its_provider_wants_it() -> None:
    summary = {"type": "reasoning", "summary": [{"type": "summary_text", "text": "in short"}]}
    items = [
        user("a"),
        thought("hm"),
        call("1"),
        output("1"),
        thought("so"),
        assistant_item("b"),
        user("c"),
        summary,
        assistant_item("d"),
    ]
    assert messages_of({"input": [*items, REASONING]}, reasoning_field="reasoning_content") == [
        user("a"),
        {**assistant(None, chat_call("1")), "reasoning_content": "hm"},
        tool("1"),
        {**assistant("b"), "reasoning_content": "so"},
        user("c"),
        {**assistant("d"), "reasoning_content": "in short"},
    ]


def test_instructions_come_first() -> None:
    system = {"role": "system", "content": "be brief"}
    assert messages_of({"instructions": "be brief", "input": "hi"}) == [system, user("hi")]


@pytest.mark.parametrize("kind", sorted(DROPPED_ITEMS))
def test_what_openai_did_by_itself_is_left_out(kind: str) -> None:
    assert messages_of({"input": [user("a"), {"type": kind, "id": "x"}, assistant_item("b")]}) == [
        user("a"),
        assistant("b"),
    ]


@pytest.mark.parametrize(
    "kind", ["item_reference", "compaction", "image_generation_call", "computer_call", "mcp_call", "a_new_kind"]
)
def test_what_would_be_lost_is_refused_by_its_name(kind: str) -> None:
    with pytest.raises(NotTranslatable, match=f"`{kind}`") as refused:
        messages_of({"input": [user("a"), {"type": kind, "id": "x"}]})
    assert refused.value.param == "input[1]"


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({}, "Missing required parameter: 'input'"),
        ({"input": []}, "Missing required parameter: 'input'"),
        ({"input": 7}, "Invalid type for 'input': expected a string or an array of items, but got an integer"),
        ({"input": ["hi"]}, r"Invalid type for 'input\[0\]': expected an object, but got a string"),
        ({"input": [{"role": "tool", "content": "x"}]}, "Invalid value: 'tool'. Supported values are: 'assistant'"),
        ({"input": [output("1")]}, "No tool call found for function call output with call_id 1"),
        ({"input": [call("1")]}, "No tool output found for function call 1"),
        ({"input": [call("1"), user("x")]}, "No tool output found for function call 1"),
        (
            {"input": [{"type": "function_call", "call_id": "1"}]},
            r"Invalid type for 'input\[0\].name': expected a string, but got null",
        ),
        ({"instructions": 7, "input": "x"}, "Invalid type for 'instructions': expected a string, but got an integer"),
    ],
)
def test_a_mistake_is_the_callers(body: Json, message: str) -> None:
    with pytest.raises(InvalidParameter, match=message):
        messages_of(body)
