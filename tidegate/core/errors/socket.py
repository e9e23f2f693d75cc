"""What is refused on a WebSocket, or with it."""

from tidegate.core.errors.caller import CallerError


class InvalidStreamId(CallerError):
    """A `stream_id` has 1 to 256 letters, digits, underscores, hyphens or periods; leave it out for the usual one."""

    name = "invalid_stream_id"
    code = "invalid_stream_id"


class TooManyWebSocketStreams(CallerError):
    """This connection has named as many streams as it may. Use one of them again, or open another connection."""

    name = "too_many_streams"
    code = "websocket_stream_limit_reached"


class WebSocketQueueFull(CallerError):
    """As many requests wait on this connection as may. Send the next when one of them is answered."""

    name = "streams_busy"
    type = "requests"
    code = "websocket_queue_full"
    retryable = True


class WebSocketExpired(CallerError):
    """This WebSocket connection is as old as one may get (`websocket.max_age_seconds`). Open another to go on."""

    name = "connection_expired"
    code = "websocket_connection_limit_reached"


class TooManyWebSockets(CallerError):
    """This process has as many WebSocket connections as it may have (`websocket.max_connections`)."""

    name = "too_many_sockets"
    type = "server_error"
    code = "websocket_connections_exhausted"
    retryable = True
