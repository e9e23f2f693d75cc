"""What state a credential is in, how errors and answers change it, and when it may be tried again.

An invalid key and an empty account are taken out at once: no call of a customer's is spent on finding out again. The
first is looked at by free probes, the second by one real call every few minutes, because nothing free tells of credit.
A rate limit takes nothing out; it only says until when others are the better choice.
"""

from enum import Enum

import msgspec

from tidegate.core.errors import InsufficientQuota, InvalidUpstreamKey, OrganizationMismatch, TidegateError

QUOTA_RETRY_SECONDS = 180.0
"""Between two real calls on an account that had no credit."""


CLOCK_STEP_SECONDS = 1e-5
"""Seconds; a word that is to count is so much later than the one it replaces, whoever's clock wrote that."""


class CredentialStatus(Enum):
    """A credential's state, in the words that operators see."""

    HEALTHY = "healthy"
    LIMITED = "limited"
    """Rate limited for one model, until a moment."""
    OUT_OF_QUOTA = "out_of_quota"
    INVALID = "invalid"
    SUSPENDED = "suspended"
    """Taken out by an operator, until an operator takes it back."""


DISABLED = (CredentialStatus.OUT_OF_QUOTA, CredentialStatus.INVALID, CredentialStatus.SUSPENDED)


class CredentialState(msgspec.Struct, frozen=True, kw_only=True, rename={"status": "standing"}):
    """A credential's state, or, for a rate limit, a credential's with one model."""

    status: CredentialStatus = CredentialStatus.HEALTHY
    since: float = 0.0
    """Unix seconds."""
    until: float = 0.0
    """Unix seconds: the end of a rate limit, or when an empty account may be tried again."""
    error: dict[str, object] | None = None
    """The error that brought it here, packed; those who meet the state are told it again."""

    @property
    def is_disabled(self) -> bool:
        """Whether no call may be sent with it as a matter of course."""
        return self.status in DISABLED


HEALTHY = CredentialState()


def after_error(state: CredentialState, error: TidegateError, now: float) -> CredentialState:
    """The state after a call failed with this error; the same where the error says nothing of the credential."""
    standing = _status_of(error)
    if standing is None or state.status is CredentialStatus.SUSPENDED:
        return state
    until = now + QUOTA_RETRY_SECONDS if standing is CredentialStatus.OUT_OF_QUOTA else 0.0
    since = state.since if state.status is standing else now
    return CredentialState(status=standing, since=since, until=until, error=error.pack())


def after_success(state: CredentialState, now: float) -> CredentialState:
    """The state after a call was answered, or a free probe found the key good."""
    if state.status in (CredentialStatus.HEALTHY, CredentialStatus.SUSPENDED):
        return state
    return CredentialState(since=now)


def after_probe(state: CredentialState, now: float) -> CredentialState:
    """The state after a free probe found the key good; it knows nothing of credit."""
    return after_success(state, now) if state.status is CredentialStatus.INVALID else state


def limited(error: TidegateError, now: float, *, usual: float = 1.0) -> CredentialState:
    """The state, with one model, after a rate limit; `usual` seconds where the upstream named no wait."""
    wait = usual if error.retry_after is None else error.retry_after
    return CredentialState(status=CredentialStatus.LIMITED, since=now, until=now + wait)


def suspended(now: float) -> CredentialState:
    """An operator takes a credential out."""
    return CredentialState(status=CredentialStatus.SUSPENDED, since=now)


def resumed(now: float) -> CredentialState:
    """An operator takes a credential back, whatever took it out."""
    return CredentialState(since=now)


def is_usable(state: CredentialState, now: float) -> bool:
    """Whether a call may be sent with it."""
    match state.status:
        case CredentialStatus.HEALTHY:
            return True
        case CredentialStatus.LIMITED:
            return now >= state.until
        case _:
            return False


def is_due(state: CredentialState, now: float) -> bool:
    """Whether an empty account may be tried with one real call."""
    return state.status is CredentialStatus.OUT_OF_QUOTA and now >= state.until


def _status_of(error: TidegateError) -> CredentialStatus | None:
    if isinstance(error, InsufficientQuota):
        return CredentialStatus.OUT_OF_QUOTA
    if isinstance(error, InvalidUpstreamKey | OrganizationMismatch):
        return CredentialStatus.INVALID
    return None
