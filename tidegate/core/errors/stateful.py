"""Errors of stateful calls and routes."""

from tidegate.core.errors.caller import CallerError


class MutuallyExclusive(CallerError):
    """Two parameters of the request exclude each other. Send only one of them."""

    name = "mutually_exclusive_parameters"


class UnsupportedParameter(CallerError):
    """A parameter cannot be used together with another of the request. Leave one of them out."""

    name = "unsupported_parameter"


class NotStreamable(CallerError):
    """This response cannot be streamed because it was not created with background=true."""

    name = "response_not_streamable"


class NotCancellable(CallerError):
    """Cannot cancel a synchronous response."""

    name = "response_not_cancellable"
