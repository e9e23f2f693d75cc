"""An output item tells of itself from the outside in when it begins, and from the inside out when it ends."""

from typing import Any

from tidegate.wire.translate.output import Called, CallHead, Message, Thoughts

Json = dict[str, Any]


class Told:
    """What was told, in order."""

    def __init__(self) -> None:
        self.events: list[Json] = []

    def __call__(self, kind: str, **fields: Any) -> None:
        self.events.append({"type": kind.removeprefix("response."), **fields})

    @property
    def kinds(self) -> list[str]:
        return [event["type"] for event in self.events]


def test_a_message_of_text_and_then_a_refusal() -> None:
    told = Told()
    message = Message(told, "msg_1", 0)
    message.begin()
    message.speak("Hel", [])
    message.speak("lo", [{"token": "lo"}])
    message.annotate([{"type": "url_citation"}])
    message.refuse("no")
    message.end("completed")
    assert told.kinds == [
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
    assert told.events[0]["item"]["content"] == []
    assert message.done is not None
    assert message.done["content"] == [
        {
            "type": "output_text",
            "text": "Hello",
            "annotations": [{"type": "url_citation"}],
            "logprobs": [{"token": "lo"}],
        },
        {"type": "refusal", "refusal": "no"},
    ]
    assert [event["content_index"] for event in told.events if "content_index" in event] == [0] * 6 + [1] * 4


def test_thoughts() -> None:
    told = Told()
    thoughts = Thoughts(told, "rs_1", 0)
    thoughts.begin()
    thoughts.think("hm")
    thoughts.end("completed")
    assert told.kinds == [
        "output_item.added",
        "content_part.added",
        "reasoning_text.delta",
        "reasoning_text.done",
        "content_part.done",
        "output_item.done",
    ]
    assert thoughts.done is not None
    assert (thoughts.done["summary"], thoughts.done["content"]) == ([], [{"type": "reasoning_text", "text": "hm"}])


def test_a_call_is_whole_when_its_argument_is_json() -> None:
    told = Told()
    call = Called(told, "fc_1", 2, head=CallHead(call_id="call_1", name="f"))
    call.begin()
    call.add("")
    call.add('{"a"')
    assert not call.whole
    call.add(":1}")
    assert call.whole
    call.end("completed")
    stem = "function_call_arguments"
    assert told.kinds == ["output_item.added", f"{stem}.delta", f"{stem}.delta", f"{stem}.done", "output_item.done"]
    assert told.events[0]["item"]["arguments"] == ""
    assert told.events[3]["arguments"] == '{"a":1}'


def test_a_custom_tools_input_is_whole_when_there_is_some() -> None:
    call = Called(told := Told(), "ctc_1", 0, head=CallHead(call_id="call_1", name="f", custom=True))
    call.begin()
    assert not call.whole
    call.add("x y")
    assert call.whole
    call.end("completed")
    assert told.kinds[1:3] == ["custom_tool_call_input.delta", "custom_tool_call_input.done"]
    assert call.done is not None
    assert (call.done["type"], call.done["input"]) == ("custom_tool_call", "x y")
