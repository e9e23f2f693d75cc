"""Errors of WebSocket connections, and of Realtime sessions."""

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


class TooManySessions(CallerError):
    """This process has its maximum of Realtime sessions (`realtime.max_sessions`); none was opened. Retry."""

    name = "too_many_sessions"
    type = "server_error"
    retryable = True


class SessionExpired(CallerError):
    """The session has reached its maximum length (`realtime.max_session_seconds`) and was closed. Open another one."""

    name = "session_expired"


class SessionIdle(CallerError):
    """Neither side has sent an event for `realtime.idle_seconds`, so the session was closed. Open another one."""

    name = "session_idle"


class EventTooLarge(CallerError):
    """The event exceeds the maximum size (`realtime.max_event_bytes`). It was not forwarded. Send smaller parts."""

    name = "event_too_large"


class UnmeteredRefused(CallerError):
    """No client secret was made: a budget applies to this key, and the gateway cannot see what a secret would cost.

    Open the session through the gateway instead: `/v1/realtime` as a WebSocket.
    """

    name = "unmetered_refused"
