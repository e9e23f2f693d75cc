"""What ends a background response, or keeps it from beginning."""

from tidegate.core.errors.base import TidegateError
from tidegate.core.errors.caller import CallerError


class BackgroundQueueFull(CallerError):
    """The project has as many background responses under way as it may (`background.max_open`)."""

    name = "background_full"
    type = "requests"
    code = "rate_limit_exceeded"
    retryable = True


class BackgroundTimeout(TidegateError):
    """The response was not finished within the time that a background response has (`background.deadline_seconds`)."""

    name = "background_timeout"
    code = "server_error"


class GatewayRestarted(TidegateError):
    """The gateway restarted while it worked on this response, after part of it had been read. Ask again."""

    name = "gateway_restarted"
    code = "server_error"
    retryable = True
