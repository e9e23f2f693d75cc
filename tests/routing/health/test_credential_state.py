"""A credential's states: what takes it out, what only waits, and what brings it back."""

import pytest

from tidegate.core import errors
from tidegate.core.errors import TidegateError, unpack_error
from tidegate.routing.health import credential_state
from tidegate.routing.health.credential_state import HEALTHY, QUOTA_RETRY_SECONDS, CredentialState, CredentialStatus

NOW = 1000.0
INVALID = credential_state.after_error(HEALTHY, errors.InvalidUpstreamKey("Bad key."), NOW)
EMPTY = credential_state.after_error(HEALTHY, errors.InsufficientQuota("No credit."), NOW)
SUSPENDED = credential_state.suspended(NOW)


@pytest.mark.parametrize(
    ("error", "standing"),
    [
        (errors.InvalidUpstreamKey(), CredentialStatus.INVALID),
        (errors.OrganizationMismatch(), CredentialStatus.INVALID),
        (errors.InsufficientQuota(), CredentialStatus.OUT_OF_QUOTA),
        (errors.UpstreamRateLimited(), CredentialStatus.HEALTHY),
        (errors.SlowDown(), CredentialStatus.HEALTHY),
        (errors.RequestExceedsUpstreamLimit(), CredentialStatus.HEALTHY),
        (errors.UpstreamForbidden(), CredentialStatus.HEALTHY),
        (errors.UpstreamServerError(), CredentialStatus.HEALTHY),
        (errors.UpstreamRejected(), CredentialStatus.HEALTHY),
        (errors.NoUpstreamKey(), CredentialStatus.HEALTHY),
    ],
)
def test_only_a_bad_key_and_an_empty_account_take_a_credential_out(
    error: TidegateError, standing: CredentialStatus
) -> None:
    state = credential_state.after_error(HEALTHY, error, NOW)
    assert state.status is standing
    assert state.is_disabled is (standing is not CredentialStatus.HEALTHY)
    assert credential_state.is_usable(state, NOW) is not state.is_disabled


def test_those_who_meet_the_state_are_told_the_error_again() -> None:
    assert INVALID.error is not None
    again = unpack_error(INVALID.error)
    assert isinstance(again, errors.InvalidUpstreamKey)
    assert again.message == "Bad key."


def test_an_empty_account_is_no_rate_limit() -> None:
    assert EMPTY.status is CredentialStatus.OUT_OF_QUOTA
    assert not credential_state.is_usable(EMPTY, NOW + 10 * QUOTA_RETRY_SECONDS)


def test_an_empty_account_is_tried_by_one_real_call_every_few_minutes() -> None:
    assert not credential_state.is_due(EMPTY, NOW + QUOTA_RETRY_SECONDS - 1)
    assert credential_state.is_due(EMPTY, NOW + QUOTA_RETRY_SECONDS)
    still = credential_state.after_error(EMPTY, errors.InsufficientQuota(), NOW + QUOTA_RETRY_SECONDS)
    assert (still.since, still.until) == (NOW, NOW + 2 * QUOTA_RETRY_SECONDS)
    assert not credential_state.is_due(INVALID, NOW + QUOTA_RETRY_SECONDS)


def test_a_rate_limit_waits_and_is_over() -> None:
    state = credential_state.limited(errors.UpstreamRateLimited(retry_after=20.0), NOW)
    assert not state.is_disabled
    assert not credential_state.is_usable(state, NOW + 19)
    assert credential_state.is_usable(state, NOW + 20)
    assert credential_state.limited(errors.SlowDown(), NOW).until == NOW + 1


@pytest.mark.parametrize(
    ("state", "after_answer", "after_probe"),
    [
        (HEALTHY, CredentialStatus.HEALTHY, CredentialStatus.HEALTHY),
        (INVALID, CredentialStatus.HEALTHY, CredentialStatus.HEALTHY),
        (EMPTY, CredentialStatus.HEALTHY, CredentialStatus.OUT_OF_QUOTA),
        (SUSPENDED, CredentialStatus.SUSPENDED, CredentialStatus.SUSPENDED),
    ],
)
def test_an_answer_heals_all_but_a_suspension_and_a_probe_knows_nothing_of_credit(
    state: CredentialState, after_answer: CredentialStatus, after_probe: CredentialStatus
) -> None:
    assert credential_state.after_success(state, NOW).status is after_answer
    assert credential_state.after_probe(state, NOW).status is after_probe


def test_a_suspended_credential_stays_so_until_it_is_resumed() -> None:
    assert credential_state.after_error(SUSPENDED, errors.InsufficientQuota(), NOW) is SUSPENDED
    assert not credential_state.is_due(SUSPENDED, NOW + QUOTA_RETRY_SECONDS)
    assert credential_state.resumed(NOW).status is CredentialStatus.HEALTHY
