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
from tidegate.metering.unseen_output import unseen_output

PACE = 100
"""Tokens per second."""


def unseen(
    error: TidegateError | None,
    seen: int = 0,
    *,
    stream: bool = True,
    model: str = "gpt-4o",
    seconds: float = 5.0,
    silent: float = 0.4,
    **body: Any,
) -> int:
    ended = Outcome(error=error, stream=stream, seconds=seconds, silent_seconds=silent)
    texts = ["tide"] * bool(seen)
    return unseen_output(ended, texts, seen, route=endpoints.CHAT, model=model, body=body, tokens_per_second=PACE)


@pytest.mark.parametrize(
    ("tokens", "case"),
    [
        pytest.param(0, {"error": None, "seen": 20}, id="complete, and all of it was read"),
        pytest.param(0, {"error": ErrorInStream(), "seen": 20}, id="the upstream itself said that it failed"),
        pytest.param(50, {"error": ClientDisconnected(), "seen": 20}, id="what was on its way"),
        pytest.param(100, {"error": ClientDisconnected(), "seen": 20, "n": 2}, id="of two answers"),
        pytest.param(12, {"error": ClientDisconnected(), "seen": 20, "max_tokens": 16}, id="what was left of it"),
        pytest.param(0, {"error": ClientDisconnected(), "seen": 20, "max_tokens": 1}, id="nothing was left of it"),
        pytest.param(600, {"error": ClientDisconnected()}, id="left before the first word"),
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
    assert unseen_output(ended, [], 0, route=endpoints.EMBEDDINGS, model="m", body=body, tokens_per_second=PACE) == 0
