"""Typed errors. Every failure has a class, whose docstring is the default message, and one name.

`base` has the root class; `caller`, `parameters`, `stateful` and `conversations` errors of requests; `background`,
`socket` and `admin` those of background responses, WebSockets and the admin API; `upstream` those of the upstream;
`stores` those of the gateway's own stores. `docs/reference/errors.md` lists all of them.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from tidegate.core.errors.admin import (
    AdminKeyNotAllowed,
    AdminKeyRequired,
    ApiKeyNotFound,
    CredentialNotFound,
    ProjectNotFound,
)
from tidegate.core.errors.background import BackgroundQueueFull, BackgroundTimeout, GatewayRestarted
from tidegate.core.errors.base import TidegateError, UpstreamErrorDetail
from tidegate.core.errors.caller import (
    BodyNotAnObject,
    BodyNotJson,
    BodyTimeout,
    BodyTooLarge,
    BudgetExceeded,
    BudgetReserved,
    CallerError,
    CallerRateLimited,
    ClientDisconnected,
    EmptyBody,
    ExpiredApiKey,
    HeadersTooLarge,
    InvalidApiKey,
    InvalidParameter,
    MalformedHttp,
    MethodNotAllowed,
    MissingApiKey,
    ModelNotAllowed,
    NotCached,
    RequestExceedsLimit,
    RevokedApiKey,
    UnknownRoute,
)
from tidegate.core.errors.conversations import (
    CompletionNotFound,
    ConversationLocked,
    ConversationNotFound,
    HistoryTooLarge,
    ItemNotFound,
    ItemTooLarge,
    NotStorable,
    ObjectNotFound,
    PartitionMissing,
    PreviousResponseNotFound,
    ResponseNotFound,
    TooManyItems,
)
from tidegate.core.errors.parameters import (
    AboveMaximum,
    BelowMinimum,
    InvalidId,
    MissingParameter,
    PropertyNameTooLong,
    StringTooLong,
    TooManyProperties,
    WrongType,
)
from tidegate.core.errors.socket import (
    InvalidStreamId,
    TooManyWebSockets,
    TooManyWebSocketStreams,
    WebSocketExpired,
    WebSocketQueueFull,
)
from tidegate.core.errors.stateful import MutuallyExclusive, NotCancellable, NotStreamable, UnsupportedParameter
from tidegate.core.errors.stores import (
    LedgerUnavailable,
    OutOfFileDescriptors,
    PostgresUnavailable,
    RedisUnavailable,
    StoreError,
)
from tidegate.core.errors.upstream import (
    AnswerTooLarge,
    ConnectionFailed,
    ConnectTimeout,
    ContentPolicyViolation,
    ContextLengthExceeded,
    ErrorInStream,
    FirstByteTimeout,
    FlightLost,
    HtmlFromProxy,
    IdleTimeout,
    InsufficientQuota,
    InvalidUpstreamKey,
    MalformedAnswer,
    ModelNotFound,
    NotTranslatable,
    NoUpstreamKey,
    OrganizationMismatch,
    QueueFull,
    QueueTimeout,
    RequestExceedsUpstreamLimit,
    SlowDown,
    TargetDown,
    TotalTimeout,
    TruncatedAnswer,
    UnsupportedByTarget,
    UpstreamBusy,
    UpstreamError,
    UpstreamForbidden,
    UpstreamNotFound,
    UpstreamOverloaded,
    UpstreamRateLimited,
    UpstreamRejected,
    UpstreamServerError,
    UpstreamTimeout,
)


def unpack_error(packed: Mapping[str, Any]) -> TidegateError:
    """Return the typed error from the plain values that `TidegateError.pack` made in another process."""
    kind = _by_name(TidegateError).get(str(packed.get("name")), TidegateError)
    detail = packed.get("words")
    error = kind(packed.get("message"))
    error.param = packed.get("param")
    error.retry_after = packed.get("wait")
    error.upstream_detail = msgspec.convert(detail, UpstreamErrorDetail) if detail else None
    return error


def _by_name(kind: type[TidegateError]) -> dict[str, type[TidegateError]]:
    classes = {kind.name: kind}
    for subclass in kind.__subclasses__():
        classes |= _by_name(subclass)
    return classes


__all__ = [
    "AboveMaximum",
    "AdminKeyNotAllowed",
    "AdminKeyRequired",
    "AnswerTooLarge",
    "ApiKeyNotFound",
    "BackgroundQueueFull",
    "BackgroundTimeout",
    "BelowMinimum",
    "BodyNotAnObject",
    "BodyNotJson",
    "BodyTimeout",
    "BodyTooLarge",
    "BudgetExceeded",
    "BudgetReserved",
    "CallerError",
    "CallerRateLimited",
    "ClientDisconnected",
    "CompletionNotFound",
    "ConnectTimeout",
    "ConnectionFailed",
    "ContentPolicyViolation",
    "ContextLengthExceeded",
    "ConversationLocked",
    "ConversationNotFound",
    "CredentialNotFound",
    "EmptyBody",
    "ErrorInStream",
    "ExpiredApiKey",
    "FirstByteTimeout",
    "FlightLost",
    "GatewayRestarted",
    "HeadersTooLarge",
    "HistoryTooLarge",
    "HtmlFromProxy",
    "IdleTimeout",
    "InsufficientQuota",
    "InvalidApiKey",
    "InvalidId",
    "InvalidParameter",
    "InvalidStreamId",
    "InvalidUpstreamKey",
    "ItemNotFound",
    "ItemTooLarge",
    "LedgerUnavailable",
    "MalformedAnswer",
    "MalformedHttp",
    "MethodNotAllowed",
    "MissingApiKey",
    "MissingParameter",
    "ModelNotAllowed",
    "ModelNotFound",
    "MutuallyExclusive",
    "NoUpstreamKey",
    "NotCached",
    "NotCancellable",
    "NotStorable",
    "NotStreamable",
    "NotTranslatable",
    "ObjectNotFound",
    "OrganizationMismatch",
    "OutOfFileDescriptors",
    "PartitionMissing",
    "PostgresUnavailable",
    "PreviousResponseNotFound",
    "ProjectNotFound",
    "PropertyNameTooLong",
    "QueueFull",
    "QueueTimeout",
    "RedisUnavailable",
    "RequestExceedsLimit",
    "RequestExceedsUpstreamLimit",
    "ResponseNotFound",
    "RevokedApiKey",
    "SlowDown",
    "StoreError",
    "StringTooLong",
    "TargetDown",
    "TidegateError",
    "TooManyItems",
    "TooManyProperties",
    "TooManyWebSocketStreams",
    "TooManyWebSockets",
    "TotalTimeout",
    "TruncatedAnswer",
    "UnknownRoute",
    "UnsupportedByTarget",
    "UnsupportedParameter",
    "UpstreamBusy",
    "UpstreamError",
    "UpstreamErrorDetail",
    "UpstreamForbidden",
    "UpstreamNotFound",
    "UpstreamOverloaded",
    "UpstreamRateLimited",
    "UpstreamRejected",
    "UpstreamServerError",
    "UpstreamTimeout",
    "WebSocketExpired",
    "WebSocketQueueFull",
    "WrongType",
    "unpack_error",
]
