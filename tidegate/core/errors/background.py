"""Errors that end a background response, or prevent its start."""

from tidegate.core.errors.base import TidegateError
from tidegate.core.errors.caller import CallerError


class BackgroundQueueFull(CallerError):
    """The project has the maximum of open background responses (`background.max_open`), so none was created. Retry."""

    name = "background_queue_full"
    code = "rate_limit_exceeded"
    type = "requests"
    retryable = True


class BackgroundTimeout(TidegateError):
    """The background response did not finish within `background.deadline_seconds` and was stopped."""

    name = "background_timeout"


class GatewayRestarted(TidegateError):
    """The gateway restarted after the client had read part of this response, so it was not finished. Ask again."""

    name = "gateway_restarted"
    retryable = True
