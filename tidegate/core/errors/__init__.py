"""Every failure has a type, a docstring that is its default message, and a metric name.

`base` is the root, `caller` what the caller did wrong, `parameters` the same of one parameter, `conversations` and
`stateful` of what is stored, `background` what ends a background response, `admin` what an operator did, `upstream`
what OpenAI (or the way to it) did wrong, `stores` what our own parts did wrong.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from tidegate.core.errors.admin import AdminKeyOnly, NoSuchCredential, NoSuchKey, NoSuchProject, NotAdmin
from tidegate.core.errors.background import BackgroundQueueFull, BackgroundTimeout, GatewayRestarted
from tidegate.core.errors.base import TidegateError, UpstreamWords
from tidegate.core.errors.caller import (
    BodyNotAnObject,
    BodyNotJson,
    BodyTooLarge,
    BudgetExceeded,
    BudgetHeld,
    CallerError,
    CallerLimited,
    CallTooLarge,
    ClientGone,
    EmptyBody,
    ExpiredApiKey,
    HeadTooLarge,
    InvalidApiKey,
    InvalidParameter,
    MissingApiKey,
    NotCached,
    NotHttp,
    RevokedApiKey,
    SlowBody,
    UnknownModel,
    UnknownRoute,
    WrongMethod,
)
from tidegate.core.errors.conversations import (
    CompletionNotFound,
    ConversationBusy,
    ConversationNotFound,
    HistoryTooLarge,
    ItemNotFound,
    ItemTooLarge,
    NotStorable,
    NotStored,
    PartitionMissing,
    PreviousResponseNotFound,
    ResponseNotFound,
    TooManyItems,
)
from tidegate.core.errors.parameters import (
    AboveMaximum,
    BelowMinimum,
    InvalidId,
    KeyTooLong,
    MissingParameter,
    TextTooLong,
    TooManyPairs,
    WrongType,
)
from tidegate.core.errors.socket import ConnectionExpired, InvalidStreamId, StreamsBusy, TooManySockets, TooManyStreams
from tidegate.core.errors.stateful import MutuallyExclusive, NotCancellable, NotStreamable, UnsupportedParameter
from tidegate.core.errors.stores import LedgerFull, NoDescriptors, PostgresUnavailable, RedisUnavailable, StoreError
from tidegate.core.errors.upstream import (
    AnswerTooLarge,
    ConnectionFailed,
    ConnectTimeout,
    ContentPolicy,
    ContextLengthExceeded,
    ErrorInStream,
    FirstByteTimeout,
    FlightLost,
    HtmlFromProxy,
    InvalidUpstreamKey,
    MalformedAnswer,
    ModelNotFound,
    NotTranslatable,
    NoUpstreamKey,
    OrganizationMismatch,
    OutOfQuota,
    Overloaded,
    ParameterNotTaken,
    QueueFull,
    QueueTimeout,
    RateLimited,
    RequestTooLargeForLimit,
    ServerFailure,
    SlowDown,
    StreamIdle,
    TargetDown,
    TotalTimeout,
    TruncatedStream,
    UpstreamBusy,
    UpstreamError,
    UpstreamForbidden,
    UpstreamNotFound,
    UpstreamRejected,
    UpstreamTimeout,
)


def unpack_error(packed: Mapping[str, Any]) -> TidegateError:
    """The typed error that `TidegateError.packed` gave, made again in another process."""
    kind = _by_name(TidegateError).get(str(packed.get("name")), TidegateError)
    words = packed.get("words")
    error = kind(packed.get("message"))
    error.param = packed.get("param")
    error.retry_after = packed.get("wait")
    error.words = msgspec.convert(words, UpstreamWords) if words else None
    return error


def _by_name(kind: type[TidegateError]) -> dict[str, type[TidegateError]]:
    found = {kind.name: kind}
    for below in kind.__subclasses__():
        found |= _by_name(below)
    return found


__all__ = [
    "AboveMaximum",
    "AdminKeyOnly",
    "AnswerTooLarge",
    "BackgroundQueueFull",
    "BackgroundTimeout",
    "BelowMinimum",
    "BodyNotAnObject",
    "BodyNotJson",
    "BodyTooLarge",
    "BudgetExceeded",
    "BudgetHeld",
    "CallTooLarge",
    "CallerError",
    "CallerLimited",
    "ClientGone",
    "CompletionNotFound",
    "ConnectTimeout",
    "ConnectionExpired",
    "ConnectionFailed",
    "ContentPolicy",
    "ContextLengthExceeded",
    "ConversationBusy",
    "ConversationNotFound",
    "EmptyBody",
    "ErrorInStream",
    "ExpiredApiKey",
    "FirstByteTimeout",
    "FlightLost",
    "GatewayRestarted",
    "HeadTooLarge",
    "HistoryTooLarge",
    "HtmlFromProxy",
    "InvalidApiKey",
    "InvalidId",
    "InvalidParameter",
    "InvalidStreamId",
    "InvalidUpstreamKey",
    "ItemNotFound",
    "ItemTooLarge",
    "KeyTooLong",
    "LedgerFull",
    "MalformedAnswer",
    "MissingApiKey",
    "MissingParameter",
    "ModelNotFound",
    "MutuallyExclusive",
    "NoDescriptors",
    "NoSuchCredential",
    "NoSuchKey",
    "NoSuchProject",
    "NoUpstreamKey",
    "NotAdmin",
    "NotCached",
    "NotCancellable",
    "NotHttp",
    "NotStorable",
    "NotStored",
    "NotStreamable",
    "NotTranslatable",
    "OrganizationMismatch",
    "OutOfQuota",
    "Overloaded",
    "ParameterNotTaken",
    "PartitionMissing",
    "PostgresUnavailable",
    "PreviousResponseNotFound",
    "QueueFull",
    "QueueTimeout",
    "RateLimited",
    "RedisUnavailable",
    "RequestTooLargeForLimit",
    "ResponseNotFound",
    "RevokedApiKey",
    "ServerFailure",
    "SlowBody",
    "SlowDown",
    "StoreError",
    "StreamIdle",
    "StreamsBusy",
    "TargetDown",
    "TextTooLong",
    "TidegateError",
    "TooManyItems",
    "TooManyPairs",
    "TooManySockets",
    "TooManyStreams",
    "TotalTimeout",
    "TruncatedStream",
    "UnknownModel",
    "UnknownRoute",
    "UnsupportedParameter",
    "UpstreamBusy",
    "UpstreamError",
    "UpstreamForbidden",
    "UpstreamNotFound",
    "UpstreamRejected",
    "UpstreamTimeout",
    "UpstreamWords",
    "WrongMethod",
    "WrongType",
    "unpack_error",
]
