"""What to do next for a call: decided from its plan, what was tried, and how targets and credentials stand.

In this order: the same target again, another credential, the next target, a stale answer, a canned reply, the error.
Nothing here waits or asks; `asking` walks.
"""

from collections.abc import Mapping, Sequence
from enum import Enum

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
from tidegate.routing.health.circuit_breaker import BreakerState, Circuit
from tidegate.routing.health.credential_state import CredentialState
from tidegate.routing.plan import Plan

SHORT_WAIT_SECONDS = 2.0
"""Seconds that a call waits for room at a target while another could answer it now."""
_MAX_TRIAL_SECONDS = 60.0


class FallbackStep(Enum):
    """The step that answered a call, as the ledger names it."""

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
    """It would not wait for room, because another could be asked."""


class SendTo(msgspec.Struct, frozen=True, kw_only=True):
    """Send the call there."""

    target: Target
    credential: Credential
    fallback_step: FallbackStep = FallbackStep.FIRST
    delay_seconds: float = 0.0
    """Seconds to wait before."""
    max_wait_seconds: float | None = None
    """Seconds that it may wait for room there; None for as long as the call may."""
    claim: str = ""
    """What must be claimed first, because one call at a time may try it; empty for nothing."""

    @property
    def lane(self) -> str:
        """The lane it goes by."""
        return lane_of(self.target, self.credential)

    @property
    def is_trial(self) -> bool:
        """Whether it tries a target that was down."""
        return self.claim.startswith("trial ")

    @property
    def claim_seconds(self) -> float:
        """How long this process keeps the claim: a trial gives it back when it is over."""
        return _MAX_TRIAL_SECONDS if self.is_trial else credential_state.QUOTA_RETRY_SECONDS

    @property
    def fleet_claim_seconds(self) -> float:
        """How long it is this process's among all."""
        return circuit_breaker.PROBE_INTERVAL_SECONDS[0] if self.is_trial else credential_state.QUOTA_RETRY_SECONDS


class RetrySameTarget(msgspec.Struct, frozen=True):
    """Wait in the lane for room, and send the call where it was refused for its rate."""


class GiveStale(msgspec.Struct, frozen=True):
    """Give an answer from the cache that is no longer fresh."""


class GiveCanned(msgspec.Struct, frozen=True):
    """Give the configured reply."""


class Fail(msgspec.Struct, frozen=True):
    """Tell the caller."""

    error: TidegateError


Step = SendTo | RetrySameTarget | GiveStale | GiveCanned | Fail


class HealthSnapshot(msgspec.Struct, frozen=True, kw_only=True):
    """How everything stands, as this process knows it."""

    breakers: Mapping[str, BreakerState] = {}
    """By the target's name; none is closed."""
    credentials: Mapping[str, CredentialState] = {}
    """By `provider/credential`, and by lane for rate limits; none is healthy."""
    busy: Mapping[str, float] = {}
    """By lane: until when, Unix seconds, others are the better choice, because calls wait there."""

    def breaker(self, target: Target) -> BreakerState:
        """A target's breaker."""
        return self.breakers.get(target.name, circuit_breaker.CLOSED) if self.breakers else circuit_breaker.CLOSED

    def credential(self, target: Target, credential: Credential) -> CredentialState:
        """A credential's state for a target: its own where it is taken out, else its rate limit there."""
        if not self.credentials:
            return credential_state.HEALTHY
        own = self.credentials.get(credential_key(target.provider, credential.name), credential_state.HEALTHY)
        if own.is_disabled:
            return own
        return self.credentials.get(lane_of(target, credential), credential_state.HEALTHY)

    def busy_until(self, target: Target, credential: Credential) -> float:
        """Until when others are the better choice because calls wait there; Unix seconds."""
        return self.busy.get(lane_of(target, credential), 0.0) if self.busy else 0.0


class FallbackState(msgspec.Struct, frozen=True, kw_only=True):
    """How far a call has come."""

    plan: Plan
    credentials: Mapping[str, Sequence[Credential]]
    """By provider."""
    failures: tuple[FailedAttempt, ...] = ()
    lost_claims: frozenset[str] = frozenset()
    """Claims that were another's: those are passed by."""
    may_give_stale: bool = True
    """A stale answer has not been looked for yet."""
    may_give_canned: bool = True
    """The canned reply has not been asked for yet."""
    may_wait_in_lane: bool = True
    """A refusal for the rate may be waited out in the lane."""
    is_affordable: bool = True
    """Another attempt can be paid."""

    def usable_credentials(self, target: Target) -> Sequence[Credential]:
        """The credentials with which a target may be asked."""
        known = self.credentials.get(target.provider, ())
        if target.credentials:
            by_name = {credential.name: credential for credential in known}
            known = [by_name[name] for name in target.credentials if name in by_name]
        return known if self.plan.allowed_steps.credentials else known[:1]

    def untried_credentials(self, target: Target) -> Sequence[Credential]:
        """Those of them with which it was not."""
        seen = [tried.credential.name for tried in self.failures if tried.target == target]
        return [credential for credential in self.usable_credentials(target) if credential.name not in seen]

    def with_failure(self, send_to: SendTo, error: TidegateError) -> "FallbackState":
        """An attempt failed."""
        tried = FailedAttempt(
            send_to.target, send_to.credential, error, had_short_wait=send_to.max_wait_seconds is not None
        )
        return msgspec.structs.replace(self, failures=(*self.failures, tried), may_wait_in_lane=True)

    def with_lost_claim(self, claim: str) -> "FallbackState":
        """Somebody else has that claim."""
        return msgspec.structs.replace(self, lost_claims=self.lost_claims | {claim})

    def without_stale(self) -> "FallbackState":
        """There was no stale answer."""
        return msgspec.structs.replace(self, may_give_stale=False)

    def without_canned(self) -> "FallbackState":
        """There was no canned reply for such a call."""
        return msgspec.structs.replace(self, may_give_canned=False)

    def without_lane_wait(self) -> "FallbackState":
        """There was no time to wait in the lane."""
        return msgspec.structs.replace(self, may_wait_in_lane=False)

    def without_budget(self) -> "FallbackState":
        """The budget has no room for another attempt, after one that may be charged."""
        return msgspec.structs.replace(self, is_affordable=False)


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """What a decision depends on besides."""

    now: float
    """Unix seconds."""
    deadline: float
    """Unix seconds until which the call may wait."""
    health: HealthSnapshot
    max_retries: int
    """Of the same target."""
    may_retry: bool
    """The retry budget allows another."""
    draw: float = 0.0
    """A random number below 1, for the wait."""


def credential_key(provider: str, credential: str) -> str:
    """A credential's name among all providers'."""
    return f"{provider}/{credential}"


def lane_of(target: Target, credential: Credential) -> str:
    """The lane of a credential and a model."""
    return f"{target.provider}/{credential.name}/{target.model}"


def next_step(state: FallbackState, snapshot: Snapshot) -> Step:
    """What to do next."""
    if not state.failures:
        return _next_target(state, snapshot, FallbackStep.FIRST)
    if not state.is_affordable:
        return _last_resort(state, snapshot)
    last = state.failures[-1]
    match error_scope(last.error):
        case ErrorScope.CALLER:
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


def _with_short_wait(walk: FallbackState, ask: SendTo, moment: Snapshot) -> SendTo:
    """The same, not to wait long for room where another credential or target could be asked now."""
    if len(walk.plan.targets) == 1 and len(walk.usable_credentials(ask.target)) == 1:
        return ask
    without = walk.with_failure(ask, QueueTimeout())
    if _free_credential(without, ask.target, moment) or _other_target(without, None, moment):
        return msgspec.structs.replace(ask, max_wait_seconds=SHORT_WAIT_SECONDS)
    return ask


def _retry_same_target(walk: FallbackState, last: FailedAttempt, moment: Snapshot) -> Step | None:
    """The same target, after a moment."""
    if not is_worth_retrying(last.error) or not moment.may_retry:
        return None
    if moment.health.breaker(last.target).circuit is not Circuit.CLOSED:
        return None
    before = sum(
        1 for tried in walk.failures if tried.target == last.target and error_scope(tried.error) is ErrorScope.TARGET
    )
    wait = retry_budget.backoff(before - 1, moment.draw, last.error.retry_after)
    if before > moment.max_retries or moment.now + wait > moment.deadline:
        return None
    if wait > SHORT_WAIT_SECONDS and _other_target(walk, last.target, moment):
        return None
    return SendTo(target=last.target, credential=last.credential, fallback_step=FallbackStep.RETRY, delay_seconds=wait)


def _other_credential(walk: FallbackState, last: FailedAttempt, moment: Snapshot) -> Step | None:
    ask = _free_credential(walk, last.target, moment)
    return None if ask is None else _with_short_wait(walk, ask, moment)


def _free_credential(walk: FallbackState, target: Target, moment: Snapshot) -> SendTo | None:
    return _send_to(walk, target, moment, FallbackStep.CREDENTIAL) if walk.plan.allowed_steps.credentials else None


def _wait_in_lane(walk: FallbackState, last: FailedAttempt, moment: Snapshot) -> Step | None:
    """A rate limit only waits; not long, though, where another target could answer."""
    if not walk.may_wait_in_lane or not isinstance(last.error, UpstreamRateLimited | SlowDown):
        return None
    wait = last.error.retry_after or 0.0
    if moment.now + wait > moment.deadline:
        return None
    if wait > SHORT_WAIT_SECONDS and _other_target(walk, last.target, moment):
        return None
    return RetrySameTarget()


def _next_target(walk: FallbackState, moment: Snapshot, rung: FallbackStep) -> Step:
    """The next target that may be asked; else one that was too busy for a call in a hurry; else what is left."""
    if step := _other_target(walk, None, moment, rung=rung):
        return _with_short_wait(walk, step, moment)
    if rung is not FallbackStep.FIRST:
        for tried in walk.failures:
            if (
                tried.had_short_wait
                and isinstance(tried.error, UpstreamBusy)
                and not _was_tried_with_full_wait(walk, tried)
            ):
                return SendTo(target=tried.target, credential=tried.credential, fallback_step=FallbackStep.RETRY)
    return _last_resort(walk, moment)


def _other_target(
    walk: FallbackState, but: Target | None, moment: Snapshot, *, rung: FallbackStep = FallbackStep.TARGET
) -> SendTo | None:
    """Another target than those tried; the first of the plan is always a rung that may be taken."""
    seen = [but, *(tried.target for tried in walk.failures)]
    for target in walk.plan.targets if walk.plan.allowed_steps.targets else walk.plan.targets[:1]:
        if target not in seen and (ask := _send_to(walk, target, moment, rung)) is not None:
            return ask
    return None


def _was_tried_with_full_wait(walk: FallbackState, busy: FailedAttempt) -> bool:
    """Whether it was asked already without a hurry."""
    same = (tried for tried in walk.failures if (tried.target, tried.credential) == (busy.target, busy.credential))
    return any(not tried.had_short_wait for tried in same)


def _send_to(walk: FallbackState, target: Target, moment: Snapshot, rung: FallbackStep) -> SendTo | None:
    """Ask this target with a credential that was not tried there; None where there is none, or it is down."""
    state = moment.health.breaker(target)
    claim = f"trial {target.name}" if state.circuit is Circuit.HALF_OPEN else ""
    if state.circuit is Circuit.OPEN or claim in walk.lost_claims:
        return None
    later: list[tuple[float, Credential]] = []
    for credential in walk.untried_credentials(target):
        stands = moment.health.credential(target, credential)
        busy_until = moment.health.busy_until(target, credential)
        if credential_state.is_usable(stands, moment.now) and busy_until <= moment.now:
            return SendTo(target=target, credential=credential, fallback_step=rung, claim=claim)
        quota = f"quota {credential_key(target.provider, credential.name)}"
        if credential_state.is_due(stands, moment.now) and quota not in walk.lost_claims:
            return SendTo(target=target, credential=credential, fallback_step=rung, claim=quota)
        if not stands.is_disabled:
            later.append((max(stands.until, busy_until), credential))
    if not later or rung is FallbackStep.CREDENTIAL:
        return None
    soonest = min(later, key=lambda candidate: candidate[0])[1]
    return SendTo(target=target, credential=soonest, fallback_step=rung, claim=claim)


def _last_resort(walk: FallbackState, moment: Snapshot) -> Step:
    if walk.failures and all(error_scope(tried.error) is ErrorScope.MATCH for tried in walk.failures):
        return Fail(walk.failures[0].error)  # nobody serves such a call: no outage
    if walk.plan.allowed_steps.stale and walk.may_give_stale:
        return GiveStale()
    if walk.plan.allowed_steps.canned and walk.may_give_canned and walk.plan.canned is not None:
        return GiveCanned()
    return Fail(_error_to_report(walk, moment))


def _error_to_report(walk: FallbackState, moment: Snapshot) -> TidegateError:
    """The most hopeful of the errors: one that waiting helps, the shortest wait first; else the first."""
    errors = [tried.error for tried in walk.failures] or [
        _why_unavailable(walk, target, moment) for target in walk.plan.targets
    ]
    hopeful = [error for error in errors if error.retryable]
    return min(reversed(hopeful), key=lambda error: error.retry_after or 0.0) if hopeful else errors[0]


def _why_unavailable(walk: FallbackState, target: Target, moment: Snapshot) -> TidegateError:
    """Why a target could not even be asked."""
    state = moment.health.breaker(target)
    if state.circuit is not Circuit.CLOSED:
        return _target_down(target, state, moment.now)
    for credential in walk.usable_credentials(target):
        stands = moment.health.credential(target, credential)
        if stands.error is not None:
            return unpack_error(stands.error)
    return TargetDown(f"{target.name} cannot be asked: all its credentials are suspended.")


def _target_down(target: Target, state: BreakerState, now: float) -> TargetDown:
    said = f" Last: {state.error['message']}" if state.error else ""
    return TargetDown(
        f"{target.name} has been failing for {max(0.0, now - state.since):.0f} s, so it is not asked. It is looked at "
        f"every {circuit_breaker.PROBE_INTERVAL_SECONDS[1]:g} s, and calls go there again once it answers.{said}",
        retry_after=circuit_breaker.PROBE_INTERVAL_SECONDS[1],
    )
