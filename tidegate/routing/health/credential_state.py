"""The state of a credential: how errors and answers change it, and when it may be tried again. Pure.

An invalid key and an account without credit are disabled at once, so that no further caller meets the error. Free
probes check an invalid key. An account without credit is tried by one real call every few minutes, because no free
request tells of credit. A rate limit disables nothing: until it ends, other credentials are preferred.
"""

from enum import Enum

import msgspec

from tidegate.core.errors import InsufficientQuota, InvalidUpstreamKey, OrganizationMismatch, TidegateError

QUOTA_RETRY_SECONDS = 180.0
"""Between two real calls to an account that had no credit."""


CLOCK_STEP_SECONDS = 1e-5
"""By which a change is dated after the one that it replaces, even where another replica's clock is ahead."""


class CredentialStatus(Enum):
    """A credential's status, under the name that operators see."""

    HEALTHY = "healthy"
    LIMITED = "limited"
    """Rate limited for one model, until a known time."""
    OUT_OF_QUOTA = "out_of_quota"
    INVALID = "invalid"
    SUSPENDED = "suspended"
    """Disabled by an operator, until an operator resumes it."""


DISABLED = (CredentialStatus.OUT_OF_QUOTA, CredentialStatus.INVALID, CredentialStatus.SUSPENDED)


class CredentialState(msgspec.Struct, frozen=True, kw_only=True, rename={"status": "standing"}):
    """A credential's state; for a rate limit, that of a credential with one model."""

    status: CredentialStatus = CredentialStatus.HEALTHY
    since: float = 0.0
    """Unix seconds."""
    until: float = 0.0
    """Unix seconds: the end of a rate limit, or when an empty account may be tried again."""
    error: dict[str, object] | None = None
    """The error that caused the state, packed; callers who meet the state get it again."""

    @property
    def is_disabled(self) -> bool:
        """Whether ordinary calls must not use the credential."""
        return self.status in DISABLED


HEALTHY = CredentialState()


def after_error(state: CredentialState, error: TidegateError, now: float) -> CredentialState:
    """Return the state after a failed call; the same state where the error does not concern the credential."""
    status = _status_of(error)
    if status is None or state.status is CredentialStatus.SUSPENDED:
        return state
    until = now + QUOTA_RETRY_SECONDS if status is CredentialStatus.OUT_OF_QUOTA else 0.0
    since = state.since if state.status is status else now
    return CredentialState(status=status, since=since, until=until, error=error.pack())


def after_success(state: CredentialState, now: float) -> CredentialState:
    """Return the state after an answered call, or a probe that showed a good key."""
    if state.status in (CredentialStatus.HEALTHY, CredentialStatus.SUSPENDED):
        return state
    return CredentialState(since=now)


def after_probe(state: CredentialState, now: float) -> CredentialState:
    """Return the state after a probe that showed a good key, which says nothing of credit."""
    return after_success(state, now) if state.status is CredentialStatus.INVALID else state


def limited(error: TidegateError, now: float, *, usual: float = 1.0) -> CredentialState:
    """Return the state with one model after a rate limit; `usual` seconds where the upstream named no wait."""
    wait = usual if error.retry_after is None else error.retry_after
    return CredentialState(status=CredentialStatus.LIMITED, since=now, until=now + wait)


def suspended(now: float) -> CredentialState:
    """Return the state after an operator suspended the credential."""
    return CredentialState(status=CredentialStatus.SUSPENDED, since=now)


def resumed(now: float) -> CredentialState:
    """Return the state after an operator resumed the credential, whatever disabled it."""
    return CredentialState(since=now)


def is_usable(state: CredentialState, now: float) -> bool:
    """Return whether ordinary calls may use the credential."""
    match state.status:
        case CredentialStatus.HEALTHY:
            return True
        case CredentialStatus.LIMITED:
            return now >= state.until
        case _:
            return False


def is_due(state: CredentialState, now: float) -> bool:
    """Return whether an account without credit may be tried by one real call."""
    return state.status is CredentialStatus.OUT_OF_QUOTA and now >= state.until


def _status_of(error: TidegateError) -> CredentialStatus | None:
    if isinstance(error, InsufficientQuota):
        return CredentialStatus.OUT_OF_QUOTA
    if isinstance(error, InvalidUpstreamKey | OrganizationMismatch):
        return CredentialStatus.INVALID
    return None
