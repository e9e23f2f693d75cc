"""What to do next for a call: decided from its plan, what was tried, and how targets and credentials stand.

In this order: the same target again, another credential, the next target, a stale answer, a canned reply, the error.
Nothing here waits or asks; `asking` walks.
"""

from collections.abc import Mapping, Sequence
from enum import Enum

import msgspec

from tidegate.core.errors import (
    QueueTimeout,
    RateLimited,
    SlowDown,
    TargetDown,
    TidegateError,
    UpstreamBusy,
    unpack_error,
)
from tidegate.providers.base import Credential
from tidegate.providers.target import Target
from tidegate.routing import retry_budget
from tidegate.routing.error_scope import Blame, blame_of, worth_another
from tidegate.routing.health import circuit_breaker, credential_state
from tidegate.routing.health.circuit_breaker import BreakerState, Circuit
from tidegate.routing.health.credential_state import CredentialState
from tidegate.routing.plan import Plan

BESIDE_ANOTHER = 2.0
"""Seconds that a call waits for room at a target while another could answer it now."""
_LONGEST_TRIAL = 60.0


class Rung(Enum):
    """The step that answered a call, as the ledger names it."""

    FIRST = "first"
    AGAIN = "again"
    CREDENTIAL = "credential"
    TARGET = "target"
    STALE = "stale"
    CANNED = "canned"


class Tried(msgspec.Struct, frozen=True):
    """An attempt that failed."""

    target: Target
    credential: Credential
    error: TidegateError
    hurried: bool = False
    """It would not wait for room, because another could be asked."""


class Ask(msgspec.Struct, frozen=True, kw_only=True):
    """Send the call there."""

    target: Target
    credential: Credential
    rung: Rung = Rung.FIRST
    after: float = 0.0
    """Seconds to wait before."""
    patience: float | None = None
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
        return _LONGEST_TRIAL if self.is_trial else credential_state.QUOTA_SECONDS

    @property
    def fleet_seconds(self) -> float:
        """How long it is this process's among all."""
        return circuit_breaker.PROBE_SECONDS[0] if self.is_trial else credential_state.QUOTA_SECONDS


class Again(msgspec.Struct, frozen=True):
    """Wait in the lane for room, and send the call where it was refused for its rate."""


class Stale(msgspec.Struct, frozen=True):
    """Give an answer from the cache that is no longer fresh."""


class Canned(msgspec.Struct, frozen=True):
    """Give the configured reply."""


class Fail(msgspec.Struct, frozen=True):
    """Tell the caller."""

    error: TidegateError


Step = Ask | Again | Stale | Canned | Fail


class Standings(msgspec.Struct, frozen=True, kw_only=True):
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
        if own.taken_out:
            return own
        return self.credentials.get(lane_of(target, credential), credential_state.HEALTHY)

    def busy_until(self, target: Target, credential: Credential) -> float:
        """Until when others are the better choice because calls wait there; Unix seconds."""
        return self.busy.get(lane_of(target, credential), 0.0) if self.busy else 0.0


class Walk(msgspec.Struct, frozen=True, kw_only=True):
    """How far a call has come."""

    plan: Plan
    credentials: Mapping[str, Sequence[Credential]]
    """By provider."""
    tried: tuple[Tried, ...] = ()
    passed: frozenset[str] = frozenset()
    """Claims that were another's: those are passed by."""
    stale: bool = True
    """A stale answer has not been looked for yet."""
    canned: bool = True
    """The canned reply has not been asked for yet."""
    again: bool = True
    """A refusal for the rate may be waited out in the lane."""
    money: bool = True
    """Another attempt can be paid."""

    def known(self, target: Target) -> Sequence[Credential]:
        """The credentials with which a target may be asked."""
        known = self.credentials.get(target.provider, ())
        if target.credentials:
            by_name = {credential.name: credential for credential in known}
            known = [by_name[name] for name in target.credentials if name in by_name]
        return known if self.plan.rungs.credentials else known[:1]

    def untried(self, target: Target) -> Sequence[Credential]:
        """Those of them with which it was not."""
        seen = [tried.credential.name for tried in self.tried if tried.target == target]
        return [credential for credential in self.known(target) if credential.name not in seen]

    def failed(self, ask: Ask, error: TidegateError) -> "Walk":
        """An attempt failed."""
        tried = Tried(ask.target, ask.credential, error, hurried=ask.patience is not None)
        return msgspec.structs.replace(self, tried=(*self.tried, tried), again=True)

    def passing(self, claim: str) -> "Walk":
        """Somebody else has that claim."""
        return msgspec.structs.replace(self, passed=self.passed | {claim})

    def without_stale(self) -> "Walk":
        """There was no stale answer."""
        return msgspec.structs.replace(self, stale=False)

    def without_canned(self) -> "Walk":
        """There was no canned reply for such a call."""
        return msgspec.structs.replace(self, canned=False)

    def waited(self) -> "Walk":
        """There was no time to wait in the lane."""
        return msgspec.structs.replace(self, again=False)

    def without_money(self) -> "Walk":
        """The budget has no room for another attempt, after one that may be charged."""
        return msgspec.structs.replace(self, money=False)


class Moment(msgspec.Struct, frozen=True, kw_only=True):
    """What a decision depends on besides."""

    now: float
    """Unix seconds."""
    deadline: float
    """Unix seconds until which the call may wait."""
    standings: Standings
    most_retries: int
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


def next_step(walk: Walk, moment: Moment) -> Step:
    """What to do next."""
    if not walk.tried:
        return _elsewhere(walk, moment, Rung.FIRST)
    if not walk.money:
        return _spare(walk, moment)
    last = walk.tried[-1]
    match blame_of(last.error):
        case Blame.CALLER:
            return Fail(last.error)
        case Blame.TIME:
            return _spare(walk, moment)
        case Blame.TARGET:
            nearer = _again(walk, last, moment)
        case Blame.RATE:
            nearer = _other_credential(walk, last, moment) or _waited_out(walk, last, moment)
        case Blame.CREDENTIAL | Blame.MATCH:
            nearer = _other_credential(walk, last, moment)
    return nearer or _elsewhere(walk, moment, Rung.TARGET)


def _in_a_hurry(walk: Walk, ask: Ask, moment: Moment) -> Ask:
    """The same, not to wait long for room where another credential or target could be asked now."""
    if len(walk.plan.targets) == 1 and len(walk.known(ask.target)) == 1:
        return ask
    without = walk.failed(ask, QueueTimeout())
    if _free_credential(without, ask.target, moment) or _another(without, None, moment):
        return msgspec.structs.replace(ask, patience=BESIDE_ANOTHER)
    return ask


def _again(walk: Walk, last: Tried, moment: Moment) -> Step | None:
    """The same target, after a moment."""
    if not worth_another(last.error) or not moment.may_retry:
        return None
    if moment.standings.breaker(last.target).circuit is not Circuit.CLOSED:
        return None
    before = sum(1 for tried in walk.tried if tried.target == last.target and blame_of(tried.error) is Blame.TARGET)
    wait = retry_budget.backoff(before - 1, moment.draw, last.error.retry_after)
    if before > moment.most_retries or moment.now + wait > moment.deadline:
        return None
    if wait > BESIDE_ANOTHER and _another(walk, last.target, moment):
        return None
    return Ask(target=last.target, credential=last.credential, rung=Rung.AGAIN, after=wait)


def _other_credential(walk: Walk, last: Tried, moment: Moment) -> Step | None:
    ask = _free_credential(walk, last.target, moment)
    return None if ask is None else _in_a_hurry(walk, ask, moment)


def _free_credential(walk: Walk, target: Target, moment: Moment) -> Ask | None:
    return _ask(walk, target, moment, Rung.CREDENTIAL) if walk.plan.rungs.credentials else None


def _waited_out(walk: Walk, last: Tried, moment: Moment) -> Step | None:
    """A rate limit only waits; not long, though, where another target could answer."""
    if not walk.again or not isinstance(last.error, RateLimited | SlowDown):
        return None
    wait = last.error.retry_after or 0.0
    if moment.now + wait > moment.deadline:
        return None
    if wait > BESIDE_ANOTHER and _another(walk, last.target, moment):
        return None
    return Again()


def _elsewhere(walk: Walk, moment: Moment, rung: Rung) -> Step:
    """The next target that may be asked; else one that was too busy for a call in a hurry; else what is left."""
    if step := _another(walk, None, moment, rung=rung):
        return _in_a_hurry(walk, step, moment)
    if rung is not Rung.FIRST:
        for tried in walk.tried:
            if tried.hurried and isinstance(tried.error, UpstreamBusy) and not _patient(walk, tried):
                return Ask(target=tried.target, credential=tried.credential, rung=Rung.AGAIN)
    return _spare(walk, moment)


def _another(walk: Walk, but: Target | None, moment: Moment, *, rung: Rung = Rung.TARGET) -> Ask | None:
    """Another target than those tried; the first of the plan is always a rung that may be taken."""
    seen = [but, *(tried.target for tried in walk.tried)]
    for target in walk.plan.targets if walk.plan.rungs.targets else walk.plan.targets[:1]:
        if target not in seen and (ask := _ask(walk, target, moment, rung)) is not None:
            return ask
    return None


def _patient(walk: Walk, busy: Tried) -> bool:
    """Whether it was asked already without a hurry."""
    same = (tried for tried in walk.tried if (tried.target, tried.credential) == (busy.target, busy.credential))
    return any(not tried.hurried for tried in same)


def _ask(walk: Walk, target: Target, moment: Moment, rung: Rung) -> Ask | None:
    """Ask this target with a credential that was not tried there; None where there is none, or it is down."""
    state = moment.standings.breaker(target)
    claim = f"trial {target.name}" if state.circuit is Circuit.HALF_OPEN else ""
    if state.circuit is Circuit.OPEN or claim in walk.passed:
        return None
    later: list[tuple[float, Credential]] = []
    for credential in walk.untried(target):
        stands = moment.standings.credential(target, credential)
        busy_until = moment.standings.busy_until(target, credential)
        if credential_state.usable(stands, moment.now) and busy_until <= moment.now:
            return Ask(target=target, credential=credential, rung=rung, claim=claim)
        quota = f"quota {credential_key(target.provider, credential.name)}"
        if credential_state.due(stands, moment.now) and quota not in walk.passed:
            return Ask(target=target, credential=credential, rung=rung, claim=quota)
        if not stands.taken_out:
            later.append((max(stands.until, busy_until), credential))
    if not later or rung is Rung.CREDENTIAL:
        return None
    soonest = min(later, key=lambda candidate: candidate[0])[1]
    return Ask(target=target, credential=soonest, rung=rung, claim=claim)


def _spare(walk: Walk, moment: Moment) -> Step:
    if walk.tried and all(blame_of(tried.error) is Blame.MATCH for tried in walk.tried):
        return Fail(walk.tried[0].error)  # nobody serves such a call: no outage
    if walk.plan.rungs.stale and walk.stale:
        return Stale()
    if walk.plan.rungs.canned and walk.canned and walk.plan.canned is not None:
        return Canned()
    return Fail(_told(walk, moment))


def _told(walk: Walk, moment: Moment) -> TidegateError:
    """The most hopeful of the errors: one that waiting helps, the shortest wait first; else the first."""
    errors = [tried.error for tried in walk.tried] or [_why_not(walk, target, moment) for target in walk.plan.targets]
    hopeful = [error for error in errors if error.retryable]
    return min(reversed(hopeful), key=lambda error: error.retry_after or 0.0) if hopeful else errors[0]


def _why_not(walk: Walk, target: Target, moment: Moment) -> TidegateError:
    """Why a target could not even be asked."""
    state = moment.standings.breaker(target)
    if state.circuit is not Circuit.CLOSED:
        return _down(target, state, moment.now)
    for credential in walk.known(target):
        stands = moment.standings.credential(target, credential)
        if stands.error is not None:
            return unpack_error(stands.error)
    return TargetDown(f"{target.name} cannot be asked: all its credentials are suspended.")


def _down(target: Target, state: BreakerState, now: float) -> TargetDown:
    said = f" Last: {state.error['message']}" if state.error else ""
    return TargetDown(
        f"{target.name} has been failing for {max(0.0, now - state.since):.0f} s, so it is not asked. It is looked at "
        f"every {circuit_breaker.PROBE_SECONDS[1]:g} s, and calls go there again once it answers.{said}",
        retry_after=circuit_breaker.PROBE_SECONDS[1],
    )
