"""The fallback policy: decide the next step of a call from its plan, its failures and the health of all targets. Pure.

`UpstreamCall` asks for one step after the other and takes it; nothing here waits or sends.

The order is: the same target again, another credential, the next target, a stale answer, the canned reply, the error.
What failed decides where in that order to go on (`ErrorScope`). The caller's own error ends the call, and so does one
that does not say whose it is. A failing target is retried if the retry budget allows it. A credential's error or a rate
limit goes to another credential first. A rate limit is waited out in the lane only where nothing else can answer
sooner. A call waits at most `SHORT_WAIT_SECONDS` for capacity while another target could answer it now; once all were
tried, it waits at the first as long as it may.

A target whose breaker is half-open, or an account that may have credit again, is tried by one call of the whole fleet.
Such a step names the claim to take first. A call that does not get it is decided anew, and waits where it would fail.
"""

from collections.abc import Mapping, Sequence
from enum import Enum
from functools import cached_property

import msgspec

from tidegate.core.errors import (
    QueueTimeout,
    SlowDown,
    TargetDown,
    TidegateError,
    UpstreamBusy,
    UpstreamRateLimited,
    unpack_error,
)
from tidegate.providers.base import Credential
from tidegate.providers.target import Target
from tidegate.routing import retry_budget
from tidegate.routing.error_scope import ErrorScope, error_scope, is_worth_retrying
from tidegate.routing.health import circuit_breaker, credential_state
from tidegate.routing.health.circuit_breaker import TRIAL, BreakerState, Circuit
from tidegate.routing.health.credential_state import CredentialState
from tidegate.routing.plan import Plan

SHORT_WAIT_SECONDS = 2.0
"""For which a call waits for capacity at a target while another could answer it now."""
_MAX_TRIAL_SECONDS = 60.0


class FallbackStep(Enum):
    """The step that answered a call, under its name in the ledger."""

    FIRST = "first"
    RETRY = "retry"
    CREDENTIAL = "credential"
    TARGET = "target"
    STALE = "stale"
    CANNED = "canned"


class FailedAttempt(msgspec.Struct, frozen=True):
    """An attempt that failed."""

    target: Target
    credential: Credential
    error: TidegateError
    had_short_wait: bool = False
    """Its wait for capacity was short, because another target or credential could take the call."""


class SendTo(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """Send the call to a target with a credential."""

    target: Target
    credential: Credential
    fallback_step: FallbackStep = FallbackStep.FIRST
    delay_seconds: float = 0.0
    """Seconds to wait before that."""
    max_wait_seconds: float | None = None
    """The longest wait for capacity there; None for as long as the call may wait."""
    claim: str = ""
    """The claim to take first, because one call at a time may try this; empty for none."""

    @cached_property
    def lane(self) -> str:
        """The lane of its credential and model."""
        return lane_of(self.target, self.credential)

    @property
    def is_trial(self) -> bool:
        """Whether it tries a target whose breaker is half-open."""
        return self.claim.startswith(TRIAL)

    @property
    def claim_seconds(self) -> float:
        """How long this process keeps the claim; a trial releases it when it ends."""
        return _MAX_TRIAL_SECONDS if self.is_trial else credential_state.QUOTA_RETRY_SECONDS

    @property
    def fleet_claim_seconds(self) -> float:
        """How long the claim excludes the other replicas."""
        return circuit_breaker.PROBE_INTERVAL_SECONDS[0] if self.is_trial else credential_state.QUOTA_RETRY_SECONDS


class RetrySameTarget(msgspec.Struct, frozen=True):
    """Wait in the lane, and send the call again to the target that rejected it for its rate."""


class GiveStale(msgspec.Struct, frozen=True):
    """Answer from the cache with an answer that is no longer fresh."""


class GiveCanned(msgspec.Struct, frozen=True):
    """Answer with the configured reply."""


class Fail(msgspec.Struct, frozen=True):
    """Answer with the error."""

    error: TidegateError


Step = SendTo | RetrySameTarget | GiveStale | GiveCanned | Fail


class HealthSnapshot(msgspec.Struct, frozen=True, kw_only=True):
    """The health of all targets and credentials, as this process knows it."""

    breakers: Mapping[str, BreakerState] = {}
    """By the target's name; closed breakers are left out."""
    credentials: Mapping[str, CredentialState] = {}
    """By `provider/credential`, and by lane for rate limits; healthy ones are left out."""
    busy: Mapping[str, float] = {}
    """By lane: the Unix seconds until which other lanes are preferred, because calls wait there."""

    def breaker(self, target: Target) -> BreakerState:
        """Return a target's breaker."""
        return self.breakers.get(target.name, circuit_breaker.CLOSED) if self.breakers else circuit_breaker.CLOSED

    def credential(self, target: Target, credential: Credential) -> CredentialState:
        """Return a credential's state for a target: its own where it is disabled, else its rate limit there."""
        if not self.credentials:
            return credential_state.HEALTHY
        own = self.credentials.get(credential_key(target.provider, credential.name), credential_state.HEALTHY)
        if own.is_disabled:
            return own
        return self.credentials.get(lane_of(target, credential), credential_state.HEALTHY)

    def busy_until(self, target: Target, credential: Credential) -> float:
        """Return the Unix seconds until which other lanes are preferred, because calls wait in this one."""
        return self.busy.get(lane_of(target, credential), 0.0) if self.busy else 0.0


class FallbackState(msgspec.Struct, frozen=True, kw_only=True):
    """What a call has tried so far, and what it may still try."""

    plan: Plan
    credentials: Mapping[str, Sequence[Credential]]
    """By provider."""
    failures: tuple[FailedAttempt, ...] = ()
    lost_claims: frozenset[str] = frozenset()
    """Claims that another call has; steps that need one of them are skipped."""
    may_give_stale: bool = True
    """Whether the cache may still be searched for a stale answer."""
    may_give_canned: bool = True
    """Whether the canned reply may still be given."""
    may_wait_in_lane: bool = True
    """Whether a rate limit may be waited out in the lane."""
    is_affordable: bool = True
    """Whether the budget has room for another attempt."""

    def usable_credentials(self, target: Target) -> Sequence[Credential]:
        """Return the credentials that may be used for a target."""
        known = self.credentials.get(target.provider, ())
        if target.credentials:
            by_name = {credential.name: credential for credential in known}
            known = [by_name[name] for name in target.credentials if name in by_name]
        return known if self.plan.allowed_steps.credentials else known[:1]

    def untried_credentials(self, target: Target) -> Sequence[Credential]:
        """Return the usable credentials that have not failed for this target."""
        seen = [tried.credential.name for tried in self.failures if tried.target == target]
        return [credential for credential in self.usable_credentials(target) if credential.name not in seen]

    def with_failure(self, send_to: SendTo, error: TidegateError) -> "FallbackState":
        """Return the state after a failed attempt."""
        failure = FailedAttempt(
            send_to.target, send_to.credential, error, had_short_wait=send_to.max_wait_seconds is not None
        )
        return msgspec.structs.replace(self, failures=(*self.failures, failure), may_wait_in_lane=True)

    def with_lost_claim(self, claim: str) -> "FallbackState":
        """Return the state after another call got that claim."""
        return msgspec.structs.replace(self, lost_claims=self.lost_claims | {claim})

    def without_stale(self) -> "FallbackState":
        """Return the state after the cache had no stale answer."""
        return msgspec.structs.replace(self, may_give_stale=False)

    def without_canned(self) -> "FallbackState":
        """Return the state after there was no canned reply for the call."""
        return msgspec.structs.replace(self, may_give_canned=False)

    def without_lane_wait(self) -> "FallbackState":
        """Return the state after there was no time to wait in the lane."""
        return msgspec.structs.replace(self, may_wait_in_lane=False)

    def without_budget(self) -> "FallbackState":
        """Return the state after the budget had no room for another attempt."""
        return msgspec.structs.replace(self, is_affordable=False)


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """The circumstances of a decision, apart from the call's own state."""

    now: float
    """Unix seconds."""
    deadline: float
    """Unix seconds until which the call may wait."""
    health: HealthSnapshot
    max_retries: int
    """For one target."""
    may_retry: bool
    """Whether the retry budget allows one more."""
    draw: float = 0.0
    """A random number below 1, for the backoff."""


def credential_key(provider: str, credential: str) -> str:
    """Return the name of a credential that is unique among all providers."""
    return f"{provider}/{credential}"


def lane_of(target: Target, credential: Credential) -> str:
    """Return the name of the lane of a credential and a model."""
    return f"{target.provider}/{credential.name}/{target.model}"


def next_step(state: FallbackState, snapshot: Snapshot) -> Step:
    """Return the next step of a call."""
    if not state.failures:
        return _next_target(state, snapshot, FallbackStep.FIRST)
    if not state.is_affordable:
        return _last_resort(state, snapshot)
    last = state.failures[-1]
    match error_scope(last.error):
        case ErrorScope.CALLER | ErrorScope.UNKNOWN:
            return Fail(last.error)
        case ErrorScope.TIME:
            return _last_resort(state, snapshot)
        case ErrorScope.TARGET:
            nearer = _retry_same_target(state, last, snapshot)
        case ErrorScope.RATE:
            nearer = _other_credential(state, last, snapshot) or _wait_in_lane(state, last, snapshot)
        case ErrorScope.CREDENTIAL | ErrorScope.MATCH:
            nearer = _other_credential(state, last, snapshot)
    return nearer or _next_target(state, snapshot, FallbackStep.TARGET)


def _with_short_wait(state: FallbackState, send_to: SendTo, snapshot: Snapshot) -> SendTo:
    """Return the step with a short wait for capacity where another credential or target could take the call now."""
    if len(state.plan.targets) == 1 and len(state.usable_credentials(send_to.target)) == 1:
        return send_to
    without = state.with_failure(send_to, QueueTimeout())
    if _free_credential(without, send_to.target, snapshot) or _other_target(without, None, snapshot):
        return msgspec.structs.replace(send_to, max_wait_seconds=SHORT_WAIT_SECONDS)
    return send_to


def _retry_same_target(state: FallbackState, last: FailedAttempt, snapshot: Snapshot) -> Step | None:
    """Return a retry of the same target after a backoff; None where it is not worth it or not allowed."""
    if not is_worth_retrying(last.error) or not snapshot.may_retry:
        return None
    if snapshot.health.breaker(last.target).circuit is not Circuit.CLOSED:
        return None
    before = sum(
        1
        for failure in state.failures
        if failure.target == last.target and error_scope(failure.error) is ErrorScope.TARGET
    )
    wait = retry_budget.backoff(before - 1, snapshot.draw, last.error.retry_after)
    if before > snapshot.max_retries or snapshot.now + wait > snapshot.deadline:
        return None
    if wait > SHORT_WAIT_SECONDS and _other_target(state, last.target, snapshot):
        return None
    return SendTo(target=last.target, credential=last.credential, fallback_step=FallbackStep.RETRY, delay_seconds=wait)


def _other_credential(state: FallbackState, last: FailedAttempt, snapshot: Snapshot) -> Step | None:
    send_to = _free_credential(state, last.target, snapshot)
    return None if send_to is None else _with_short_wait(state, send_to, snapshot)


def _free_credential(state: FallbackState, target: Target, snapshot: Snapshot) -> SendTo | None:
    return _send_to(state, target, snapshot, FallbackStep.CREDENTIAL) if state.plan.allowed_steps.credentials else None


def _wait_in_lane(state: FallbackState, last: FailedAttempt, snapshot: Snapshot) -> Step | None:
    """Return to wait for the rate limit in the lane; None where there is no time, or another target answers sooner."""
    if not state.may_wait_in_lane or not isinstance(last.error, UpstreamRateLimited | SlowDown):
        return None
    wait = last.error.retry_after or 0.0
    if snapshot.now + wait > snapshot.deadline:
        return None
    if wait > SHORT_WAIT_SECONDS and _other_target(state, last.target, snapshot):
        return None
    return RetrySameTarget()


def _next_target(state: FallbackState, snapshot: Snapshot, fallback_step: FallbackStep) -> Step:
    """Return the next target, else one whose wait for capacity was cut short, else the last resort."""
    if send_to := _other_target(state, None, snapshot, fallback_step=fallback_step):
        return _with_short_wait(state, send_to, snapshot)
    if fallback_step is not FallbackStep.FIRST:
        for failure in state.failures:
            is_busy = failure.had_short_wait and isinstance(failure.error, UpstreamBusy)
            if is_busy and not _was_tried_with_full_wait(state, failure):
                return SendTo(target=failure.target, credential=failure.credential, fallback_step=FallbackStep.RETRY)
    return _last_resort(state, snapshot)


def _other_target(
    state: FallbackState,
    excluded: Target | None,
    snapshot: Snapshot,
    *,
    fallback_step: FallbackStep = FallbackStep.TARGET,
) -> SendTo | None:
    """Return a target that was not tried yet; the first of the plan is always allowed."""
    seen = [excluded, *(failure.target for failure in state.failures)]
    for target in state.plan.targets if state.plan.allowed_steps.targets else state.plan.targets[:1]:
        if target not in seen and (send_to := _send_to(state, target, snapshot, fallback_step)) is not None:
            return send_to
    return None


def _was_tried_with_full_wait(state: FallbackState, busy: FailedAttempt) -> bool:
    """Return whether it was tried with the full wait as well."""
    pair = busy.target, busy.credential
    return any((each.target, each.credential) == pair and not each.had_short_wait for each in state.failures)


def _send_to(state: FallbackState, target: Target, snapshot: Snapshot, fallback_step: FallbackStep) -> SendTo | None:
    """Return to send to this target with an untried credential; None where there is none, or the target is down."""
    breaker = snapshot.health.breaker(target)
    claim = f"{TRIAL}{target.name}" if breaker.circuit is Circuit.HALF_OPEN else ""
    if breaker.circuit is Circuit.OPEN or claim in state.lost_claims:
        return None
    later: list[tuple[float, Credential]] = []
    for credential in state.untried_credentials(target):
        credential_health = snapshot.health.credential(target, credential)
        busy_until = snapshot.health.busy_until(target, credential)
        if credential_state.is_usable(credential_health, snapshot.now) and busy_until <= snapshot.now:
            return SendTo(target=target, credential=credential, fallback_step=fallback_step, claim=claim)
        quota = f"quota {credential_key(target.provider, credential.name)}"
        if credential_state.is_due(credential_health, snapshot.now) and quota not in state.lost_claims:
            return SendTo(target=target, credential=credential, fallback_step=fallback_step, claim=quota)
        if not credential_health.is_disabled:
            later.append((max(credential_health.until, busy_until), credential))
    if not later or fallback_step is FallbackStep.CREDENTIAL:
        return None
    soonest = min(later, key=lambda candidate: candidate[0])[1]
    return SendTo(target=target, credential=soonest, fallback_step=fallback_step, claim=claim)


def _last_resort(state: FallbackState, snapshot: Snapshot) -> Step:
    if state.failures and all(error_scope(failure.error) is ErrorScope.MATCH for failure in state.failures):
        return Fail(state.failures[0].error)  # no target serves such a call, which is no outage
    if state.plan.allowed_steps.stale and state.may_give_stale:
        return GiveStale()
    if state.plan.allowed_steps.canned and state.may_give_canned and state.plan.canned is not None:
        return GiveCanned()
    return Fail(_error_to_report(state, snapshot))


def _error_to_report(state: FallbackState, snapshot: Snapshot) -> TidegateError:
    """Return the error that the caller gets: a retryable one with the shortest wait, else the first."""
    errors = [failure.error for failure in state.failures] or [
        _why_unavailable(state, target, snapshot) for target in state.plan.targets
    ]
    hopeful = [error for error in errors if error.retryable]
    return min(reversed(hopeful), key=lambda error: error.retry_after or 0.0) if hopeful else errors[0]


def _why_unavailable(state: FallbackState, target: Target, snapshot: Snapshot) -> TidegateError:
    """Return why a target could not be tried at all."""
    breaker = snapshot.health.breaker(target)
    if breaker.circuit is not Circuit.CLOSED:
        return _target_down(target, breaker, snapshot.now)
    for credential in state.usable_credentials(target):
        credential_health = snapshot.health.credential(target, credential)
        if credential_health.error is not None:
            return unpack_error(credential_health.error)
    return TargetDown(f"{target.name} cannot be used: all its credentials are suspended.")


def _target_down(target: Target, breaker: BreakerState, now: float) -> TargetDown:
    last_error = f" Last error: {breaker.error['message']}" if breaker.error else ""
    interval = circuit_breaker.PROBE_INTERVAL_SECONDS[1]
    return TargetDown(
        f"{target.name} has been failing for {max(0.0, now - breaker.since):.0f} s, so no call is sent there. "
        f"It is probed every {interval:g} s, and gets calls again once it answers.{last_error}",
        retry_after=interval,
    )
