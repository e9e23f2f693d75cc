"""Each error of the taxonomy is somebody's fault, and only what may pass within seconds is asked of the same again."""

import pytest

from tidegate.core import errors
from tidegate.core.errors import UpstreamError
from tidegate.routing.error_scope import Blame, blame_of, worth_another

BLAMES = {
    Blame.CALLER: {
        "UpstreamRejected", "ContextLengthExceeded", "ContentPolicy", "RequestTooLargeForLimit", "AnswerTooLarge",
        "UpstreamError",
    },
    Blame.CREDENTIAL: {"InvalidUpstreamKey", "NoUpstreamKey", "OrganizationMismatch", "OutOfQuota"},
    Blame.MATCH: {"UpstreamForbidden", "ModelNotFound", "UpstreamNotFound", "ParameterNotTaken", "NotTranslatable"},
    Blame.RATE: {"RateLimited", "SlowDown", "UpstreamBusy", "QueueFull", "QueueTimeout"},
    Blame.TARGET: {
        "ServerFailure", "Overloaded", "HtmlFromProxy", "UpstreamTimeout", "ConnectTimeout", "FirstByteTimeout",
        "StreamIdle", "ConnectionFailed", "TruncatedStream", "MalformedAnswer", "ErrorInStream", "FlightLost",
        "TargetDown",
    },
    Blame.TIME: {"TotalTimeout"},
}  # fmt: skip
EVERY = [
    kind
    for name in errors.__all__
    if isinstance(kind := getattr(errors, name), type) and issubclass(kind, UpstreamError)
]


@pytest.mark.parametrize("kind", EVERY)
def test_each_error_is_somebodys_fault(kind: type[UpstreamError]) -> None:
    assert kind.__name__ in BLAMES[blame_of(kind())]


@pytest.mark.parametrize("kind", EVERY)
def test_only_a_target_that_failed_quickly_is_worth_another(kind: type[UpstreamError]) -> None:
    error = kind()
    if worth_another(error):
        assert error.retryable
        assert blame_of(error) is Blame.TARGET
    assert not worth_another(errors.FirstByteTimeout())
    assert not worth_another(errors.StreamIdle())
    assert worth_another(errors.ConnectTimeout())


def test_an_error_of_this_gateways_own_is_nobody_elses() -> None:
    assert blame_of(errors.RedisUnavailable()) is Blame.CALLER
