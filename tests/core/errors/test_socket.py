"""What a socket refuses has the codes that clients of OpenAI's know."""

import pytest

from tidegate.core.errors import (
    ConnectionExpired,
    InvalidStreamId,
    StreamsBusy,
    TidegateError,
    TooManySockets,
    TooManyStreams,
)


@pytest.mark.parametrize(
    ("error", "code", "retryable"),
    [
        (InvalidStreamId(), "invalid_stream_id", False),
        (TooManyStreams(), "websocket_stream_limit_reached", False),
        (ConnectionExpired(), "websocket_connection_limit_reached", False),
        (StreamsBusy(), "websocket_queue_full", True),
        (TooManySockets(), "websocket_connections_exhausted", True),
    ],
)
def test_each_has_its_code(error: TidegateError, code: str, retryable: bool) -> None:
    assert (error.code, error.retryable) == (code, retryable)
