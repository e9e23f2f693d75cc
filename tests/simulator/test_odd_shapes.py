"""The simulator sends a good answer in the shapes of other servers, on request."""

from typing import Any

import pytest

from tests.harness import data_of
from tests.simulator.client import CHAT, RESPONSES, STREAM, upstream
from tidegate.simulator.faults import Fault
from tidegate.simulator.odd_shapes import body_in_shape, events_in_shape


async def text_of(path: str, body: dict[str, Any], fault: Fault) -> tuple[str, str]:
    """Return the content type and the text of an answer with this fault."""
    async with upstream() as up, up.post(path, body, x_simulate_fault=fault.value) as answer:
        return answer.content_type, await answer.text()


@pytest.mark.parametrize("body", [CHAT, STREAM])
async def test_a_chat_answer_may_not_say_why_it_ended(body: dict[str, Any]) -> None:
    _, text = await text_of("/chat/completions", body, Fault.MISSING_FINISH_REASON)
    assert '"finish_reason":null' in text
    assert '"finish_reason":"' not in text
    assert "prompt_tokens" in text or body is STREAM


@pytest.mark.parametrize("stream", [True, False])
async def test_a_response_may_be_incomplete_without_a_reason(stream: bool) -> None:
    _, text = await text_of("/responses", {**RESPONSES, "stream": stream}, Fault.MISSING_FINISH_REASON)
    assert '"status":"incomplete"' in text
    assert '"incomplete_details":null' in text
    assert ("response.incomplete" in text) is stream


async def test_a_stream_may_be_plain_text() -> None:
    content_type, text = await text_of("/chat/completions", STREAM, Fault.PLAIN_TEXT_STREAM)
    assert content_type == "text/plain"
    assert data_of(text)


def test_all_tool_calls_may_have_one_index() -> None:
    calls = [{"index": 0, "id": "a"}, {"index": 1, "id": "b"}]
    events = [{"choices": [{"index": 0, "delta": {"tool_calls": calls}}]}, {"choices": [{"index": 0, "delta": {}}]}]
    first, second = events_in_shape(events, Fault.SAME_TOOL_INDEX)
    assert [call["index"] for call in first["choices"][0]["delta"]["tool_calls"]] == [0, 0]
    assert second == events[1]


@pytest.mark.parametrize("fault", [None, Fault.STALL, Fault.MALFORMED])
def test_other_faults_change_no_shape(fault: Fault | None) -> None:
    events: list[dict[str, Any]] = [{"choices": []}]
    body = {"object": "response", "status": "completed"}
    assert events_in_shape(events, fault) is events
    assert body_in_shape(body, fault) is body
