"""Whose fault a failed attempt is, and so what may be tried after it."""

from enum import Enum

from tidegate.core.errors import (
    ConnectionFailed,
    ConnectTimeout,
    ErrorInStream,
    FlightLost,
    HtmlFromProxy,
    InvalidUpstreamKey,
    MalformedAnswer,
    ModelNotFound,
    NoUpstreamKey,
    OrganizationMismatch,
    OutOfQuota,
    Overloaded,
    ParameterNotTaken,
    RateLimited,
    ServerFailure,
    SlowDown,
    TargetDown,
    TidegateError,
    TotalTimeout,
    TruncatedStream,
    UpstreamBusy,
    UpstreamForbidden,
    UpstreamNotFound,
    UpstreamTimeout,
)


class Blame(Enum):
    """Whose fault it is."""

    CALLER = "caller"
    """The request's own: whoever is asked says the same."""
    CREDENTIAL = "credential"
    """This gateway's account: another account may do."""
    MATCH = "match"
    """This target, with this credential, does not serve this call; another may."""
    RATE = "rate"
    """Too many calls for now: waiting helps, and so does another account."""
    TARGET = "target"
    """The target failed: it may do better in a moment, another may do better now."""
    TIME = "time"
    """The call's own time is over: nobody is asked any more."""


_KINDS: tuple[tuple[tuple[type[TidegateError], ...], Blame], ...] = (
    ((TotalTimeout,), Blame.TIME),
    ((InvalidUpstreamKey, NoUpstreamKey, OrganizationMismatch, OutOfQuota), Blame.CREDENTIAL),
    ((UpstreamForbidden, ModelNotFound, UpstreamNotFound, ParameterNotTaken), Blame.MATCH),
    ((RateLimited, SlowDown, UpstreamBusy), Blame.RATE),
    (
        (
            ConnectionFailed,
            ErrorInStream,
            FlightLost,
            HtmlFromProxy,
            MalformedAnswer,
            Overloaded,
            ServerFailure,
            TargetDown,
            TruncatedStream,
            UpstreamTimeout,
        ),
        Blame.TARGET,
    ),
)

_QUICK = (
    ConnectionFailed,
    ConnectTimeout,
    ErrorInStream,
    HtmlFromProxy,
    MalformedAnswer,
    Overloaded,
    ServerFailure,
    TruncatedStream,
)


def blame_of(error: TidegateError) -> Blame:
    """Whose fault an attempt's error is; what is nobody else's is the caller's."""
    return next((blame for kinds, blame in _KINDS if isinstance(error, kinds)), Blame.CALLER)


def worth_another(error: TidegateError) -> bool:
    """Whether the same target, asked again within seconds, may answer.

    Not after a long silence: the caller has waited through one of those, and need not through a second.
    """
    return isinstance(error, _QUICK)
