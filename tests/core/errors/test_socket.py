"""The errors of WebSockets have OpenAI's codes where OpenAI has one."""

import pytest

from tidegate.core.errors import (
    InvalidStreamId,
    TidegateError,
    TooManyWebSockets,
    TooManyWebSocketStreams,
    WebSocketExpired,
    WebSocketQueueFull,
)


@pytest.mark.parametrize(
    ("error", "code", "retryable"),
    [
        (InvalidStreamId(), "invalid_stream_id", False),
        (TooManyWebSocketStreams(), "websocket_stream_limit_reached", False),
        (WebSocketExpired(), "websocket_connection_limit_reached", False),
        (WebSocketQueueFull(), "websocket_queue_full", True),
        (TooManyWebSockets(), "too_many_websockets", True),
    ],
)
def test_each_has_its_code(error: TidegateError, code: str, retryable: bool) -> None:
    assert (error.code, error.retryable) == (code, retryable)
