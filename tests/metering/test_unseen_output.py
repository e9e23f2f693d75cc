"""An answer that broke off is charged at its greatest possible length, but no more than the call's limit."""

from typing import Any

import pytest

from tidegate.core import endpoints
from tidegate.core.errors import (
    ClientDisconnected,
    ErrorInStream,
    FirstByteTimeout,
    IdleTimeout,
    MalformedAnswer,
    TidegateError,
    TruncatedAnswer,
)
from tidegate.core.values import Outcome
from tidegate.metering.unseen_output import WritingLimits, unseen_output

LIMITS = WritingLimits(tokens_per_second=100)
LATE = WritingLimits(tokens_per_second=100, earliest_seconds=4.0, stop_seconds=1.0)
NEVER = WritingLimits(tokens_per_second=100, cancels="never")
ALWAYS = WritingLimits(tokens_per_second=100, cancels="always")


def unseen(
    error: TidegateError | None,
    seen: int = 0,
    *,
    stream: bool = True,
    model: str = "gpt-4o",
    seconds: float = 5.0,
    silent: float = 0.4,
    writing: float = 3.0,
    limits: WritingLimits = LIMITS,
    **body: Any,
) -> int:
    ended = Outcome(error=error, stream=stream, seconds=seconds, silent_seconds=silent, writing_seconds=writing)
    texts = ["tide"] * bool(seen)
    return unseen_output(ended, texts, seen, route=endpoints.CHAT, model=model, body=body, limits=limits)


@pytest.mark.parametrize(
    ("tokens", "case"),
    [
        pytest.param(0, {"error": None, "seen": 20}, id="complete, and all of it was read"),
        pytest.param(0, {"error": ErrorInStream(), "seen": 20}, id="the upstream itself said that it failed"),
        pytest.param(56, {"error": ClientDisconnected(), "seen": 20}, id="what was on its way"),
        pytest.param(112, {"error": ClientDisconnected(), "seen": 20, "n": 2}, id="of two answers"),
        pytest.param(12, {"error": ClientDisconnected(), "seen": 20, "max_tokens": 16}, id="what was left of it"),
        pytest.param(0, {"error": ClientDisconnected(), "seen": 20, "max_tokens": 1}, id="nothing was left of it"),
        pytest.param(515, {"error": ClientDisconnected()}, id="left before the first word"),
        pytest.param(205, {"error": ClientDisconnected(), "limits": LATE}, id="which comes after four seconds"),
        pytest.param(146, {"error": ClientDisconnected(), "seen": 20, "limits": LATE}, id="a provider that stops late"),
        pytest.param(215, {"error": ClientDisconnected(), "seen": 20, "model": "o3"}, id="thoughts, before the text"),
        pytest.param(
            16_364, {"error": ClientDisconnected(), "seen": 20, "limits": NEVER}, id="it writes on to its end"
        ),
        pytest.param(
            600, {"error": ClientDisconnected(), "stream": False}, id="a whole answer that was left, which writes on"
        ),
        pytest.param(
            96,
            {"error": ClientDisconnected(), "stream": False, "max_tokens": 80},
            id="a whole answer that was left, of known size",
        ),
        pytest.param(
            45,
            {"error": ClientDisconnected(), "stream": False, "max_tokens": 80, "seconds": 0.3, "limits": ALWAYS},
            id="a whole answer that was left, and ends with its connection",
        ),
        pytest.param(600, {"error": TruncatedAnswer(), "stream": False}, id="a whole answer, as far as time allowed"),
        pytest.param(
            4016, {"error": TruncatedAnswer(), "stream": False, "max_tokens": 4000}, id="a whole answer of known size"
        ),
        pytest.param(600, {"error": TruncatedAnswer(), "seen": 20}, id="a stream that broke, as far as time allowed"),
        pytest.param(96, {"error": MalformedAnswer(), "seen": 20, "max_tokens": 100}, id="a stream of known size"),
        pytest.param(96, {"error": IdleTimeout(), "seen": 20, "max_tokens": 100}, id="which fell silent"),
        pytest.param(16_384, {"error": FirstByteTimeout(), "seconds": 1e6}, id="all that the model can write"),
        pytest.param(600, {"error": None, "seen": 20, "model": "o3"}, id="thoughts, of which nobody told"),
        pytest.param(0, {"error": None, "seen": 20, "model": "gpt-5-chat-latest"}, id="which it has not"),
        pytest.param(10, {"error": None, "seen": 20, "tools": [{}]}, id="the frame of a tool's call"),
    ],
)
def test_it_may_have_written_so_much_more(tokens: int, case: dict[str, Any]) -> None:
    assert unseen(**case) == tokens


def test_vectors_are_not_written() -> None:
    ended = Outcome(error=TruncatedAnswer(), seconds=9.0)
    body = {"model": "text-embedding-3-small", "input": "tide"}
    assert unseen_output(ended, [], 0, route=endpoints.EMBEDDINGS, model="m", body=body, limits=LIMITS) == 0
