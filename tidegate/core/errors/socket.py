"""Errors of WebSocket connections."""

from tidegate.core.errors.caller import CallerError


class InvalidStreamId(CallerError):
    """A `stream_id` has 1 to 256 letters, digits, underscores, hyphens or periods. Correct it, or leave it out."""

    name = "invalid_stream_id"


class TooManyWebSocketStreams(CallerError):
    """This connection has named its maximum of streams. Use one of them again, or open another connection."""

    name = "websocket_stream_limit_reached"


class WebSocketQueueFull(CallerError):
    """The maximum of requests waits on this connection; this one was not queued. Send it after the next answer."""

    name = "websocket_queue_full"
    type = "requests"
    retryable = True


class WebSocketExpired(CallerError):
    """This WebSocket connection has reached its maximum age (`websocket.max_age_seconds`). Open another one."""

    name = "websocket_connection_limit_reached"


class TooManyWebSockets(CallerError):
    """This process has its maximum of WebSocket connections (`websocket.max_connections`); none was opened. Retry."""

    name = "too_many_websockets"
    type = "server_error"
    retryable = True
