"""What is refused on stateful calls and routes, whatever is kept."""

from tidegate.core.errors.caller import CallerError


class MutuallyExclusive(CallerError):
    """Two parameters of the request exclude each other."""

    name = "mutually_exclusive"
    code = "mutually_exclusive_parameters"


class UnsupportedParameter(CallerError):
    """A parameter cannot be used together with another of the request."""

    name = "unsupported_parameter"
    code = "unsupported_parameter"


class NotStreamable(CallerError):
    """This response cannot be streamed because it was not created with background=true."""

    name = "not_streamable"
    code = None


class NotCancellable(CallerError):
    """Cannot cancel a synchronous response."""

    name = "not_cancellable"
    code = None
