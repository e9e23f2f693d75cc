"""Whose fault a failed attempt is, and so what may be tried after it."""

from enum import Enum

from tidegate.core.errors import (
    ConnectionFailed,
    ConnectTimeout,
    ErrorInStream,
    FlightLost,
    HtmlFromProxy,
    InsufficientQuota,
    InvalidUpstreamKey,
    MalformedAnswer,
    ModelNotFound,
    NoUpstreamKey,
    OrganizationMismatch,
    SlowDown,
    TargetDown,
    TidegateError,
    TotalTimeout,
    TruncatedAnswer,
    UnsupportedByTarget,
    UpstreamBusy,
    UpstreamForbidden,
    UpstreamNotFound,
    UpstreamOverloaded,
    UpstreamRateLimited,
    UpstreamServerError,
    UpstreamTimeout,
)


class ErrorScope(Enum):
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


_SCOPES: tuple[tuple[tuple[type[TidegateError], ...], ErrorScope], ...] = (
    ((TotalTimeout,), ErrorScope.TIME),
    ((InvalidUpstreamKey, NoUpstreamKey, OrganizationMismatch, InsufficientQuota), ErrorScope.CREDENTIAL),
    ((UpstreamForbidden, ModelNotFound, UpstreamNotFound, UnsupportedByTarget), ErrorScope.MATCH),
    ((UpstreamRateLimited, SlowDown, UpstreamBusy), ErrorScope.RATE),
    (
        (
            ConnectionFailed,
            ErrorInStream,
            FlightLost,
            HtmlFromProxy,
            MalformedAnswer,
            UpstreamOverloaded,
            UpstreamServerError,
            TargetDown,
            TruncatedAnswer,
            UpstreamTimeout,
        ),
        ErrorScope.TARGET,
    ),
)

_QUICK = (
    ConnectionFailed,
    ConnectTimeout,
    ErrorInStream,
    HtmlFromProxy,
    MalformedAnswer,
    UpstreamOverloaded,
    UpstreamServerError,
    TruncatedAnswer,
)


def error_scope(error: TidegateError) -> ErrorScope:
    """Whose fault an attempt's error is; what is nobody else's is the caller's."""
    return next((blame for kinds, blame in _SCOPES if isinstance(error, kinds)), ErrorScope.CALLER)


def is_worth_retrying(error: TidegateError) -> bool:
    """Whether the same target, asked again within seconds, may answer.

    Not after a long silence: the caller has waited through one of those, and need not through a second.
    """
    return isinstance(error, _QUICK)
