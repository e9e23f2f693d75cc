"""A reason that is a failure makes an error of the answer; every other reason leaves it alone."""

from typing import Any

import msgspec
import pytest

from tidegate.core import endpoints
from tidegate.core.errors import EmptyAnswer, UpstreamServerError
from tidegate.providers.openai_family.errors import classify_in_stream
from tidegate.wire import sse
from tidegate.wire.shapes.failed_reasons import FAILED_REASON, failure_of
from tidegate.wire.stream_observer import EventKind, observer_for

FAILED = ["error", "ERROR", "network_error", "insufficient_system_resource", "abort"]
NO_ANSWER = [
    "model_context_window_exceeded",
    "MALFORMED_FUNCTION_CALL",
    "function_call_filter: MALFORMED_FUNCTION_CALL",
]


@pytest.mark.parametrize(
    ("reasons", "has_content", "code"),
    [
        *((reason, has_content, "server_error") for reason in FAILED for has_content in (True, False)),
        *((reason, False, "empty_answer") for reason in NO_ANSWER),
        *((reason, True, None) for reason in NO_ANSWER),
        *((reason, False, None) for reason in ("stop", "length", "content_filter", "safety", "other", "", None, 7)),
    ],
)
def test_what_a_reason_stands_for(reasons: Any, has_content: bool, code: str | None) -> None:
    failure = failure_of([None, {"finish_reason": reasons}], has_content=has_content)
    assert (failure and failure["code"]) == code
    if code is not None:
        assert FAILED_REASON.search(msgspec.json.encode({"finish_reason": reasons}))
        kind = UpstreamServerError if code == "server_error" else EmptyAnswer
        assert type(classify_in_stream(failure, request_id=None)) is kind


USAGE = {"prompt_tokens": 9, "completion_tokens": 4}
MESSAGE = {"role": "assistant", "content": "Noon."}


def test_the_usage_beside_such_a_reason_is_known() -> None:
    chunk = {"choices": [{"index": 0, "delta": {}, "finish_reason": "network_error"}], "usage": USAGE}
    observer = observer_for(endpoints.CHAT)
    assert observer.observe(observer.mend(sse.encode(msgspec.json.encode(chunk)), [])) is EventKind.ERROR
    assert observer.usage == msgspec.json.encode(USAGE)


def test_a_whole_answer_is_read_alike() -> None:
    body = {"choices": [{"index": 0, "message": MESSAGE, "finish_reason": "error"}], "usage": USAGE}
    observer = observer_for(endpoints.CHAT)
    assert observer.observe_body(observer.mend_body(msgspec.json.encode(body))) is EventKind.ERROR
    assert observer.usage == msgspec.json.encode(USAGE)
