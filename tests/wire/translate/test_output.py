"""An output item announces itself before its parts, and ends after them."""

from typing import Any

from tidegate.wire.translate.output import MessageItem, ReasoningItem, ToolCallHead, ToolCallItem

Json = dict[str, Any]


class RecordedEvents:
    """The emitted events, in order."""

    def __init__(self) -> None:
        self.events: list[Json] = []

    def __call__(self, kind: str, **fields: Any) -> None:
        self.events.append({"type": kind.removeprefix("response."), **fields})

    @property
    def kinds(self) -> list[str]:
        return [event["type"] for event in self.events]


def test_a_message_of_text_and_then_a_refusal() -> None:
    recorded = RecordedEvents()
    message = MessageItem(recorded, "msg_1", 0)
    message.begin()
    message.add_text("Hel", [])
    message.add_text("lo", [{"token": "lo"}])
    message.annotate([{"type": "url_citation"}])
    message.add_refusal("no")
    message.end("completed")
    assert recorded.kinds == [
        "output_item.added",
        "content_part.added",
        "output_text.delta",
        "output_text.delta",
        "output_text.annotation.added",
        "output_text.done",
        "content_part.done",
        "content_part.added",
        "refusal.delta",
        "refusal.done",
        "content_part.done",
        "output_item.done",
    ]
    assert recorded.events[0]["item"]["content"] == []
    assert message.finished_item is not None
    assert message.finished_item["content"] == [
        {
            "type": "output_text",
            "text": "Hello",
            "annotations": [{"type": "url_citation"}],
            "logprobs": [{"token": "lo"}],
        },
        {"type": "refusal", "refusal": "no"},
    ]
    assert [event["content_index"] for event in recorded.events if "content_index" in event] == [0] * 6 + [1] * 4


def test_thoughts() -> None:
    recorded = RecordedEvents()
    thoughts = ReasoningItem(recorded, "rs_1", 0)
    thoughts.begin()
    thoughts.add("hm")
    thoughts.end("completed")
    assert recorded.kinds == [
        "output_item.added",
        "content_part.added",
        "reasoning_text.delta",
        "reasoning_text.done",
        "content_part.done",
        "output_item.done",
    ]
    assert thoughts.finished_item is not None
    assert (thoughts.finished_item["summary"], thoughts.finished_item["content"]) == (
        [],
        [{"type": "reasoning_text", "text": "hm"}],
    )


def test_a_call_is_whole_when_its_argument_is_json() -> None:
    recorded = RecordedEvents()
    call = ToolCallItem(recorded, "fc_1", 2, head=ToolCallHead(call_id="call_1", name="f"))
    call.begin()
    call.add("")
    call.add('{"a"')
    assert not call.looks_complete
    call.add(":1}")
    assert call.looks_complete
    call.end("completed")
    stem = "function_call_arguments"
    assert recorded.kinds == ["output_item.added", f"{stem}.delta", f"{stem}.delta", f"{stem}.done", "output_item.done"]
    assert recorded.events[0]["item"]["arguments"] == ""
    assert recorded.events[3]["arguments"] == '{"a":1}'


def test_a_custom_tools_input_is_whole_when_there_is_some() -> None:
    call = ToolCallItem(
        recorded := RecordedEvents(), "ctc_1", 0, head=ToolCallHead(call_id="call_1", name="f", custom=True)
    )
    call.begin()
    assert not call.looks_complete
    call.add("x y")
    assert call.looks_complete
    call.end("completed")
    assert recorded.kinds[1:3] == ["custom_tool_call_input.delta", "custom_tool_call_input.done"]
    assert call.finished_item is not None
    assert (call.finished_item["type"], call.finished_item["input"]) == ("custom_tool_call", "x y")
