"""A whole completion in another shape than OpenAI's is mended as a stream is; all others pass byte for byte."""

import json
from typing import Any

import pytest

from tidegate.wire.shapes.chat_body import mend_chat_body, mend_completion


def completion(message: dict[str, Any], **choice: Any) -> dict[str, Any]:
    reason = "tool_calls" if "tool_calls" in message else "stop"
    return {"id": "c", "choices": [{"index": 0, "message": message, "finish_reason": reason, **choice}], "usage": {}}


def call(arguments: Any) -> dict[str, Any]:
    return {"id": "call_a", "type": "function", "function": {"name": "tides", "arguments": arguments}}


@pytest.mark.parametrize(
    ("sent", "read"),
    [
        pytest.param(
            completion({"content": [{"type": "text", "text": "High "}, {"type": "text", "text": "tide."}]}),
            completion({"content": "High tide."}),
            id="content of parts",
        ),
        pytest.param(
            completion({"content": [{"type": "thinking", "thinking": "Hm."}, {"type": "text", "text": "Noon."}]}),
            completion({"content": "Noon.", "reasoning_content": "Hm."}),
            id="with thoughts",
        ),
        pytest.param(
            completion({"content": None, "tool_calls": [call({"at": "noon"}), call('{"at":"one"}')]}),
            completion({"content": None, "tool_calls": [call('{"at":"noon"}'), call('{"at":"one"}')]}),
            id="arguments as an object",
        ),
        pytest.param(
            completion({"tool_calls": [{"type": "custom", "custom": {"name": "t", "input": {"a": 1}}}]}),
            completion({"tool_calls": [{"type": "custom", "custom": {"name": "t", "input": '{"a":1}'}}]}),
            id="a custom tool's input as an object",
        ),
        pytest.param(
            completion({"content": None, "tool_calls": [call("{}")]}, finish_reason="stop"),
            completion({"content": None, "tool_calls": [call("{}")]}),
            id="a tool call that stops",
        ),
        pytest.param(completion({"content": "Hi"}, index=None), completion({"content": "Hi"}), id="no index"),
        pytest.param(
            completion({"content": "Hi"}, finish_reason=""), completion({"content": "Hi"}, finish_reason=None),
            id="an empty reason",
        ),
    ],
)  # fmt: skip
@pytest.mark.parametrize("separators", [(",", ":"), (", ", ": ")])
def test_it_is_read_as_openai_would_have_sent_it(
    sent: dict[str, Any], read: dict[str, Any], separators: tuple[str, str]
) -> None:
    body = mend_chat_body(json.dumps(sent, separators=separators).encode())
    assert json.loads(body) == read
    assert mend_completion(sent) == read


@pytest.mark.parametrize(
    "body",
    [
        json.dumps(completion({"content": 'It says "content": [1] and "arguments": {}'})).encode(),
        json.dumps(completion({"content": None, "tool_calls": [call("{}")]})).encode(),
        json.dumps(completion({"content": None, "tool_calls": []}, finish_reason="stop")).encode(),
        json.dumps(completion({"content": None, "tool_calls": [call("{")]}, finish_reason="length")).encode(),
        b'{"choices":[{"message":{"content":[}]}',
        b'[{"content":[]}]',
        b'{"choices":{"content":[]}}',
        b'{"content": [], "choices": ["text"]}',
        b"",
    ],
)
def test_what_needs_no_mending_passes_byte_for_byte(body: bytes) -> None:
    assert mend_chat_body(body) is body


def test_a_request_that_names_its_tool_gets_the_reason_as_it_is() -> None:
    body = json.dumps(completion({"content": None, "tool_calls": [call("{}")]}, finish_reason="stop")).encode()

    assert mend_chat_body(body, keeps_reasons=True) is body
