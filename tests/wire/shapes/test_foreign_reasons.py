"""An answer that was cut at a limit says `length`, whatever word its provider has for that; other reasons stay."""

from typing import Any

import msgspec
import pytest

from tidegate.wire import sse
from tidegate.wire.shapes.chat_body import mend_chat_body
from tidegate.wire.shapes.chat_stream import ChatStreamMender
from tidegate.wire.shapes.foreign_reasons import FOREIGN_REASON, with_known_cut

CUT = ["MAX_TOKENS", "max_output_tokens", "model_length", "incomplete", "token_limit"]
OTHERS = ["stop", "length", "content_filter", "incomplete_thoughts", "", None, 7]


@pytest.mark.parametrize(
    ("reason", "told"), [*((reason, "length") for reason in CUT), *((reason, reason) for reason in OTHERS)]
)
def test_what_a_reason_becomes(reason: Any, told: Any) -> None:
    choice = {"finish_reason": reason, "index": 0}
    assert with_known_cut(choice) == {**choice, "finish_reason": told}
    assert (FOREIGN_REASON.search(msgspec.json.encode(choice)) is not None) == (reason in CUT)


@pytest.mark.parametrize("keeps_reasons", [True, False])
@pytest.mark.parametrize("reason", CUT)
def test_streamed_and_whole(reason: str, keeps_reasons: bool) -> None:
    call = {"index": 0, "id": "a", "function": {"name": "f", "arguments": '{"quoted":"\\"finish_reason\\":'}}
    delta = {"content": "Noon.", "tool_calls": [call]}
    mender = ChatStreamMender(keeps_reasons=keeps_reasons)
    for choice in ({"index": 0, "delta": delta}, {"index": 0, "delta": {}, "finish_reason": reason}):
        told = mender.mend_event(sse.encode(msgspec.json.encode({"choices": [choice]})))
    assert b'"finish_reason":"length"' in told
    body = {"choices": [{"index": 0, "message": {"content": "Noon."}, "finish_reason": reason}]}
    assert b'"finish_reason":"length"' in mend_chat_body(msgspec.json.encode(body), keeps_reasons=keeps_reasons)
