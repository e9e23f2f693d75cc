"""Each error of the taxonomy is somebody's fault, and only what may pass within seconds is asked of the same again."""

import pytest

from tidegate.core import errors
from tidegate.core.errors import UpstreamError
from tidegate.routing.error_scope import ErrorScope, error_scope, is_worth_retrying, trial_may_help

BLAMES = {
    ErrorScope.CALLER: {
        "UpstreamRejected", "ContextLengthExceeded", "ContentPolicyViolation", "RequestExceedsUpstreamLimit",
        "AnswerTooLarge",
        "UpstreamError",
    },
    ErrorScope.CREDENTIAL: {"InvalidUpstreamKey", "NoUpstreamKey", "OrganizationMismatch", "InsufficientQuota"},
    ErrorScope.MATCH: {
        "EmptyAnswer",
        "UpstreamForbidden",
        "ModelNotFound",
        "UpstreamNotFound",
        "UnsupportedByTarget",
        "NotTranslatable",
        "RequestTooLargeForTarget",
    },
    ErrorScope.RATE: {"UpstreamRateLimited", "SlowDown", "UpstreamBusy", "QueueFull", "QueueTimeout"},
    ErrorScope.TARGET: {
        "UpstreamServerError", "UpstreamOverloaded", "HtmlFromProxy", "UpstreamTimeout", "ConnectTimeout",
        "FirstByteTimeout",
        "IdleTimeout", "ConnectionFailed", "TruncatedAnswer", "MalformedAnswer", "FlightLost",
        "TargetDown",
    },
    ErrorScope.TIME: {"TotalTimeout"},
    ErrorScope.UNKNOWN: {"ErrorInStream", "SessionLost", "UnfinishedAnswer"},
}  # fmt: skip
EVERY = [
    kind
    for name in errors.__all__
    if isinstance(kind := getattr(errors, name), type) and issubclass(kind, UpstreamError)
]


@pytest.mark.parametrize("kind", EVERY)
def test_each_error_is_somebodys_fault(kind: type[UpstreamError]) -> None:
    assert kind.__name__ in BLAMES[error_scope(kind())]


@pytest.mark.parametrize("kind", EVERY)
def test_only_a_target_that_failed_quickly_is_worth_another(kind: type[UpstreamError]) -> None:
    error = kind()
    if is_worth_retrying(error):
        assert error.retryable
        assert error_scope(error) is ErrorScope.TARGET
    assert not is_worth_retrying(errors.FirstByteTimeout())
    assert not is_worth_retrying(errors.IdleTimeout())
    assert is_worth_retrying(errors.ConnectTimeout())


def test_an_error_of_this_gateways_own_is_nobody_elses() -> None:
    assert error_scope(errors.RedisUnavailable()) is ErrorScope.CALLER


@pytest.mark.parametrize("kind", EVERY)
def test_a_trial_of_another_target_helps_unless_the_request_itself_or_its_time_is_to_blame(
    kind: type[UpstreamError],
) -> None:
    to_blame = {ErrorScope.CALLER, ErrorScope.UNKNOWN, ErrorScope.TIME}
    assert trial_may_help(kind()) == all(kind.__name__ not in BLAMES[scope] for scope in to_blame)
