"""What a failed attempt's error concerns, and so what may be tried next.

The fallback policy chooses the next step by it; the health registry decides by it what to count the failure for.
"""

from enum import Enum

from tidegate.core.errors import (
    ConnectionFailed,
    ConnectTimeout,
    EmptyAnswer,
    ErrorInStream,
    FlightLost,
    HtmlFromProxy,
    InsufficientQuota,
    InvalidUpstreamKey,
    MalformedAnswer,
    ModelNotFound,
    NoUpstreamKey,
    OrganizationMismatch,
    RequestTooLargeForTarget,
    SessionLost,
    SlowDown,
    TargetDown,
    TidegateError,
    TotalTimeout,
    TruncatedAnswer,
    UnfinishedAnswer,
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
    """What an error concerns."""

    CALLER = "caller"
    """The request itself: every target would answer the same."""
    CREDENTIAL = "credential"
    """The gateway's account at the provider: another account may work."""
    MATCH = "match"
    """This target with this credential does not serve the call; another may."""
    RATE = "rate"
    """Too many calls for now: waiting helps, and so does another account."""
    TARGET = "target"
    """The target failed: it may work again in a moment, another may work now."""
    UNKNOWN = "unknown"
    """The error does not say what it concerns: it is counted for no one, and nothing is tried again."""
    TIME = "time"
    """The call's total time is over: no other target is tried."""


_SCOPES: tuple[tuple[tuple[type[TidegateError], ...], ErrorScope], ...] = (
    ((TotalTimeout,), ErrorScope.TIME),
    ((ErrorInStream, SessionLost, UnfinishedAnswer), ErrorScope.UNKNOWN),
    ((InvalidUpstreamKey, NoUpstreamKey, OrganizationMismatch, InsufficientQuota), ErrorScope.CREDENTIAL),
    (
        (
            EmptyAnswer,
            UpstreamForbidden,
            ModelNotFound,
            UpstreamNotFound,
            UnsupportedByTarget,
            RequestTooLargeForTarget,
        ),
        ErrorScope.MATCH,
    ),
    ((UpstreamRateLimited, SlowDown, UpstreamBusy), ErrorScope.RATE),
    (
        (
            ConnectionFailed,
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
    HtmlFromProxy,
    MalformedAnswer,
    UpstreamOverloaded,
    UpstreamServerError,
    TruncatedAnswer,
)


def error_scope(error: TidegateError) -> ErrorScope:
    """Return what an attempt's error concerns; the caller, unless it is listed."""
    return next((blame for kinds, blame in _SCOPES if isinstance(error, kinds)), ErrorScope.CALLER)


def trial_may_help(error: TidegateError) -> bool:
    """Return whether a call that failed so may be answered by a target that another call tries just now."""
    return error_scope(error) not in (ErrorScope.CALLER, ErrorScope.UNKNOWN, ErrorScope.TIME)


def is_worth_retrying(error: TidegateError) -> bool:
    """Return whether the same target may answer when tried again within seconds.

    It is not worth it after a long silence: the caller has waited through one, and would through a second.
    """
    return isinstance(error, _QUICK)
