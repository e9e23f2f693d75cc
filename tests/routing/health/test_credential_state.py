"""A credential's states: what takes it out, what only waits, and what brings it back."""

import pytest

from tidegate.core import errors
from tidegate.core.errors import TidegateError, unpack_error
from tidegate.routing.health import credential_state
from tidegate.routing.health.credential_state import HEALTHY, QUOTA_SECONDS, CredentialState, Standing

NOW = 1000.0
INVALID = credential_state.after_error(HEALTHY, errors.InvalidUpstreamKey("Bad key."), NOW)
EMPTY = credential_state.after_error(HEALTHY, errors.OutOfQuota("No credit."), NOW)
SUSPENDED = credential_state.suspended(NOW)


@pytest.mark.parametrize(
    ("error", "standing"),
    [
        (errors.InvalidUpstreamKey(), Standing.INVALID),
        (errors.OrganizationMismatch(), Standing.INVALID),
        (errors.OutOfQuota(), Standing.OUT_OF_QUOTA),
        (errors.RateLimited(), Standing.HEALTHY),
        (errors.SlowDown(), Standing.HEALTHY),
        (errors.RequestTooLargeForLimit(), Standing.HEALTHY),
        (errors.UpstreamForbidden(), Standing.HEALTHY),
        (errors.ServerFailure(), Standing.HEALTHY),
        (errors.UpstreamRejected(), Standing.HEALTHY),
        (errors.NoUpstreamKey(), Standing.HEALTHY),
    ],
)
def test_only_a_bad_key_and_an_empty_account_take_a_credential_out(error: TidegateError, standing: Standing) -> None:
    state = credential_state.after_error(HEALTHY, error, NOW)
    assert state.standing is standing
    assert state.taken_out is (standing is not Standing.HEALTHY)
    assert credential_state.usable(state, NOW) is not state.taken_out


def test_those_who_meet_the_state_are_told_the_error_again() -> None:
    assert INVALID.error is not None
    again = unpack_error(INVALID.error)
    assert isinstance(again, errors.InvalidUpstreamKey)
    assert again.message == "Bad key."


def test_an_empty_account_is_no_rate_limit() -> None:
    assert EMPTY.standing is Standing.OUT_OF_QUOTA
    assert not credential_state.usable(EMPTY, NOW + 10 * QUOTA_SECONDS)


def test_an_empty_account_is_tried_by_one_real_call_every_few_minutes() -> None:
    assert not credential_state.due(EMPTY, NOW + QUOTA_SECONDS - 1)
    assert credential_state.due(EMPTY, NOW + QUOTA_SECONDS)
    still = credential_state.after_error(EMPTY, errors.OutOfQuota(), NOW + QUOTA_SECONDS)
    assert (still.since, still.until) == (NOW, NOW + 2 * QUOTA_SECONDS)
    assert not credential_state.due(INVALID, NOW + QUOTA_SECONDS)


def test_a_rate_limit_waits_and_is_over() -> None:
    state = credential_state.limited(errors.RateLimited(retry_after=20.0), NOW)
    assert not state.taken_out
    assert not credential_state.usable(state, NOW + 19)
    assert credential_state.usable(state, NOW + 20)
    assert credential_state.limited(errors.SlowDown(), NOW).until == NOW + 1


@pytest.mark.parametrize(
    ("state", "after_answer", "after_probe"),
    [
        (HEALTHY, Standing.HEALTHY, Standing.HEALTHY),
        (INVALID, Standing.HEALTHY, Standing.HEALTHY),
        (EMPTY, Standing.HEALTHY, Standing.OUT_OF_QUOTA),
        (SUSPENDED, Standing.SUSPENDED, Standing.SUSPENDED),
    ],
)
def test_an_answer_heals_all_but_a_suspension_and_a_probe_knows_nothing_of_credit(
    state: CredentialState, after_answer: Standing, after_probe: Standing
) -> None:
    assert credential_state.after_success(state, NOW).standing is after_answer
    assert credential_state.after_probe(state, NOW).standing is after_probe


def test_a_suspended_credential_stays_so_until_it_is_resumed() -> None:
    assert credential_state.after_error(SUSPENDED, errors.OutOfQuota(), NOW) is SUSPENDED
    assert not credential_state.due(SUSPENDED, NOW + QUOTA_SECONDS)
    assert credential_state.resumed(NOW).standing is Standing.HEALTHY
