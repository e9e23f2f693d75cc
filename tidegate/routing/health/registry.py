"""The health registry: which targets and credentials of this process may be used, shared with all replicas.

Each process has one. Calls and health checks report to it, and the fallback policy decides from its `snapshot`. It is
in memory, so a healthy call costs no round trip. A change is in force here at once; a background task writes it to
Redis and publishes it. Of two changes of one name the later one prevails; a replica dates its change after the one that
it replaces, even where another clock is ahead.

Without Redis each process judges for itself, and publishes its changes later. After a gap in the messages the registry
reads everything again (`synchronize`), which the health checks call in each round. Claims are different: they exclude
other calls. A claim that Redis cannot decide is granted, so at worst each replica sends one trial.
"""

import asyncio
import contextlib
from collections.abc import Callable, Coroutine, Iterator
from typing import Any, TypeVar

from tidegate.core.clock import Clock
from tidegate.core.config import BreakerConfig
from tidegate.core.errors import (
    RedisUnavailable,
    SlowDown,
    TidegateError,
    UpstreamBusy,
    UpstreamRateLimited,
    UpstreamTimeout,
    unpack_error,
)
from tidegate.providers.base import Credential
from tidegate.providers.target import Target
from tidegate.routing.error_scope import ErrorScope, error_scope
from tidegate.routing.fallback_policy import HealthSnapshot, credential_key, lane_of
from tidegate.routing.health import circuit_breaker, credential_state
from tidegate.routing.health.change_log import OnChange, log_change
from tidegate.routing.health.circuit_breaker import BreakerState, Circuit, FailureWindow
from tidegate.routing.health.credential_state import CredentialState, CredentialStatus
from tidegate.routing.health.store import HealthChange, HealthStore, least_needed, load_all
from tidegate.routing.health.trial_waits import TrialWaits

_LOST_CLAIM_SECONDS = 0.5
"""For which a claim that another replica has is not requested again."""

_BUSY_SECONDS = 2.0
MAX_REMEMBERED = 1000
"""Targets with traffic, and rate limits: callers choose the names of models, so there may be any number."""

_State = TypeVar("_State")

OnDown = Callable[[TidegateError | None, bool], None]
"""Called with the error where a target is down or a credential disabled, and whether the target is silent."""


class Traffic:
    """One target's calls in this process."""

    def __init__(self, target: Target, tally: FailureWindow) -> None:
        self.target = target
        self.failure_window = tally
        self.unanswered = 0
        """Calls in progress without any byte of an answer."""
        self.last_heard_at = 0.0
        """When the last answer came, or the first of those calls was sent; on the monotonic clock."""


class HealthRegistry:
    """Collects and shares the health, between `start` and `close`."""

    def __init__(
        self, store: HealthStore, config: BreakerConfig, *, clock: Clock, on_change: OnChange = log_change
    ) -> None:
        self.store = store
        self._config, self._clock = config, clock
        self._on_change = on_change
        self._breakers: dict[str, BreakerState] = {}
        self._credentials: dict[str, CredentialState] = {}
        self._busy_until: dict[str, float] = {}
        self.snapshot = HealthSnapshot(breakers=self._breakers, credentials=self._credentials, busy=self._busy_until)
        """The current health, for decisions; a live view."""
        self._changes: dict[str, HealthChange] = {}
        """The newest change of each name."""
        self._unpublished: set[str] = set()
        """Names whose newest change is not in Redis yet."""
        self._traffic: dict[str, Traffic] = {}
        self._listeners: dict[OnDown, tuple[Target, Credential]] = {}
        self._claims: dict[str, float] = {}
        self.trial_waits = TrialWaits()
        """The calls that wait for a trial's result."""
        self._is_synchronized = False
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def is_publishing(self) -> bool:
        """Whether a change is being written to Redis."""
        return bool(self._tasks)

    def __repr__(self) -> str:
        return f"<Board: {len(self._breakers)} breakers not closed, {len(self._credentials)} credentials not healthy>"

    async def start(self) -> None:
        """Begin to receive the other replicas' changes, and read the shared health."""
        await self.store.start(self._take_change, self.resynchronize)
        await self.synchronize()

    async def close(self) -> None:
        """Stop, after the changes in progress were written."""
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.store.close()

    # what calls report

    def note_sent(self, target: Target) -> None:
        """Note that a call was sent."""
        traffic = self.traffic(target)
        if traffic.unanswered == 0:
            traffic.last_heard_at = self._clock.monotonic()
        traffic.unanswered += 1

    def note_heard(self, target: Target, *, has_answer: bool = True) -> None:
        """Note that a call was answered, or given up without an answer."""
        traffic = self.traffic(target)
        traffic.unanswered -= 1
        if has_answer:
            traffic.last_heard_at = self._clock.monotonic()

    def note_answer(self, target: Target, credential: Credential, *, trial: bool = False) -> None:
        """Note that a call's answer has begun."""
        if trial:
            self._end_trial(target, None)
        key = credential_key(target.provider, credential.name)
        if key in self._credentials:
            self._set_credential(key, credential_state.after_success(self._credentials[key], self._clock.now()))

    def note_completed(self, target: Target) -> None:
        """Note that a call's answer is complete."""
        self.traffic(target).failure_window.add(self._clock.monotonic(), ok=True)

    def note_failure(
        self, target: Target, credential: Credential, error: TidegateError, *, trial: bool = False, slow: bool = False
    ) -> None:
        """Note that a call failed; `slow` where it was a trial that exceeded its time limit."""
        scope = error_scope(error)
        if scope is ErrorScope.TARGET:
            self._count_failure(target, error)
        if trial:
            self._end_trial(target, error if scope is ErrorScope.TARGET else None, slow=slow)
        now, key = self._clock.now(), credential_key(target.provider, credential.name)
        if scope is ErrorScope.CREDENTIAL:
            state = self._credentials.get(key, credential_state.HEALTHY)
            self._set_credential(key, credential_state.after_error(state, error, now))
        elif isinstance(error, UpstreamBusy):
            self.note_busy(lane_of(target, credential), error.retry_after or 0.0)
        elif isinstance(error, UpstreamRateLimited | SlowDown):
            self._limit(lane_of(target, credential), credential_state.limited(error, now))

    def ended_trial_well(self, target: Target) -> bool:
        """End a trial that has neither answer nor failure at its time limit, if that shows a healthy target.

        It does where calls failed quickly before. Where they hung, it does not, and False is returned.
        """
        state = self._breakers.get(target.name)
        if state is None or isinstance(_error_of(state.error), UpstreamTimeout):
            return state is None
        self._end_trial(target, None)
        return True

    def note_busy(self, lane: str, seconds: float) -> None:
        """Note that calls wait in a lane: for a moment other lanes are preferred, in this process only."""
        now = self._clock.now()
        if len(self._busy_until) > MAX_REMEMBERED:
            for old in [name for name, until in self._busy_until.items() if until <= now]:
                del self._busy_until[old]
        self._busy_until[lane] = now + min(seconds, _BUSY_SECONDS)

    def release_trial(self, target: Target) -> None:
        """Release the claim of a trial that ended without a result."""
        self._claims.pop(f"trial {target.name}", None)
        self.trial_waits.end(target.name)

    def _count_failure(self, target: Target, error: TidegateError) -> None:
        traffic = self.traffic(target)
        opens = traffic.failure_window.add(self._clock.monotonic(), ok=False)
        if opens and target.name not in self._breakers:
            self._set_breaker(target.name, circuit_breaker.open_breaker(error, self._clock.now()))

    def _end_trial(self, target: Target, error: TidegateError | None, *, slow: bool = False) -> None:
        self.release_trial(target)
        state = self._breakers.get(target.name)
        if state is not None and state.circuit is Circuit.HALF_OPEN:
            self._set_breaker(target.name, circuit_breaker.after_trial(state, self._clock.now(), error, slow=slow))

    # what probes report

    def note_probe(self, target: Target) -> None:
        """Note that an open target answered a free probe."""
        state = self._breakers.get(target.name)
        if state is not None and state.circuit is Circuit.OPEN:
            self._set_breaker(target.name, circuit_breaker.after_probe(state))

    def note_silence(self, target: Target, error: TidegateError) -> None:
        """Note that a target is silent, even to a free probe."""
        if target.name not in self._breakers:
            self._set_breaker(target.name, circuit_breaker.open_breaker(error, self._clock.now(), unreachable=True))

    def note_good_key(self, key: str) -> None:
        """Note that a free probe showed a good key."""
        if key in self._credentials:
            self._set_credential(key, credential_state.after_probe(self._credentials[key], self._clock.now()))

    # what others read

    def changes(self) -> list[HealthChange]:
        """Return the newest change of each target and credential."""
        return list(self._changes.values())

    def rate_limits(self, now: float) -> dict[str, float]:
        """Return the rate-limited lanes, each with the Unix seconds at which its limit ends."""
        known = self._credentials.items()
        return {
            lane: each.until for lane, each in known if each.status is CredentialStatus.LIMITED and each.until > now
        }

    def traffic(self, target: Target) -> Traffic:
        """Return a target's calls in this process."""
        found = self._traffic.get(target.name)
        if found is None:
            config = self._config
            tally = FailureWindow(
                failure_threshold=config.failure_threshold,
                failure_ratio=config.failure_ratio,
                min_calls=config.min_calls,
                window_seconds=config.window_seconds,
            )
            found = self._traffic[target.name] = Traffic(target, tally)
            if len(self._traffic) > MAX_REMEMBERED:
                self._traffic = {name: seen for name, seen in self._traffic.items() if seen.unanswered or seen is found}
        return found

    def all_traffic(self) -> Iterator[Traffic]:
        """Return the calls of all targets in this process."""
        yield from list(self._traffic.values())

    def add_listener(self, on_down: OnDown, target: Target, credential: Credential) -> None:
        """Call `on_down` from now on if the target goes down or the credential is disabled."""
        self._listeners[on_down] = (target, credential)

    def remove_listener(self, on_down: OnDown) -> None:
        """Call it no more."""
        del self._listeners[on_down]

    async def claim(self, what: str, seconds: float, *, fleet_seconds: float | None = None) -> bool:
        """Take a claim that one call at a time may have; return False where another has it.

        It excludes other calls of this process for `seconds`, and other replicas for `fleet_seconds`. Without Redis it
        excludes calls of this process only.
        """
        now = self._clock.monotonic()
        if self._claims.get(what, 0.0) > now:
            return False
        self._claims[what] = now + seconds
        try:
            won = await self.store.claim(what, fleet_seconds or seconds)
        except RedisUnavailable:
            return True
        if not won:
            self._claims[what] = now + _LOST_CLAIM_SECONDS
        return won

    async def synchronize(self) -> None:
        """Read the shared health after a gap, and publish what is unpublished; each health check calls it."""
        if not self._is_synchronized:
            known = await load_all(self.store)
            if known is None:
                return
            self._is_synchronized = True
            names = {change.name for change in known}
            self._unpublished.update(name for name in self._changes if name not in names)  # Redis lost its data
            for change in known:
                self._take_change(change)
        for name in list(self._unpublished):
            await self._publish(self._changes[name], self._changes[name].kind)

    # changes

    def _set_breaker(self, name: str, state: BreakerState) -> None:
        what = f"breaker {name}"
        self._change(HealthChange(name=what, at=self._change_time(what), kind=state.circuit.value, breaker=state))

    def _set_credential(self, key: str, state: CredentialState) -> None:
        if self._credentials.get(key, credential_state.HEALTHY) is not state:
            what = f"credential {key}"
            self._change(HealthChange(name=what, at=self._change_time(what), kind=state.status.value, credential=state))

    def _change_time(self, name: str) -> float:
        """Return a time after the known change of this name, even where another replica's clock wrote that."""
        known = self._changes.get(name)
        earliest = 0.0 if known is None else known.at + credential_state.CLOCK_STEP_SECONDS
        return max(self._clock.now(), earliest)

    def _limit(self, lane: str, state: CredentialState) -> None:
        change = HealthChange(name=f"limit {lane}", at=self._clock.now(), kind=state.status.value, credential=state)
        if len(self._credentials) > MAX_REMEMBERED:
            now = self._clock.now()
            for old in [name for name, limit in self._credentials.items() if 0 < limit.until < now]:
                if not self._credentials[old].is_disabled:
                    del self._credentials[old]
        self._apply(change)
        self._run(self._publish_limit(lane, change, state.until))

    def _change(self, change: HealthChange) -> None:
        before = self._changes.get(change.name)
        self._apply(change)
        self._unpublished.add(change.name)
        self._run(self._publish(change, before.kind if before else ""))

    async def _publish(self, change: HealthChange, before: str) -> None:
        """Write a change to Redis and all replicas; the replica that found out first logs it."""
        try:
            answer = await self.store.publish(change)
        except RedisUnavailable:
            self._on_change(change, before)
            return
        if self._changes.get(change.name) is change:
            self._unpublished.discard(change.name)
        if isinstance(answer, HealthChange):
            self._take_change(answer)
        else:
            self._on_change(change, answer)

    async def _publish_limit(self, lane: str, change: HealthChange, until: float) -> None:
        with contextlib.suppress(RedisUnavailable):  # each replica then learns of the limit from its own calls
            await self.store.publish_limit(lane, change, until)

    def _take_change(self, change: HealthChange) -> None:
        known = self._changes.get(change.name)
        if known is None or change.at > known.at:
            self._unpublished.discard(change.name)
            self._apply(change)

    def _apply(self, change: HealthChange) -> None:
        what, _, name = change.name.partition(" ")
        if what != "limit":
            self._changes[change.name] = change
            if len(self._changes) > MAX_REMEMBERED:
                self._forget(least_needed(self._changes.values(), besides=change))
        if change.breaker is not None:
            self._apply_breaker(name, change.breaker)
        elif change.credential is not None:
            _store_unless_usual(
                self._credentials, name, change.credential, usual=change.credential.status is CredentialStatus.HEALTHY
            )
            if what == "credential" and change.kind == CredentialStatus.HEALTHY.value:
                self._end_rate_limits(f"{name}/")
            elif what == "credential" and change.credential.is_disabled:
                self._announce(name, _error_of(change.credential.error), silent=False)

    def _forget(self, name: str) -> None:
        self._changes.pop(name, None)
        self._unpublished.discard(name)
        self._breakers.pop(name.removeprefix("breaker "), None)

    def _end_rate_limits(self, lanes: str) -> None:
        for lane in [lane for lane in self._credentials if lane.startswith(lanes)]:
            del self._credentials[lane]

    def _apply_breaker(self, name: str, state: BreakerState) -> None:
        usual = state.circuit is Circuit.CLOSED
        _store_unless_usual(self._breakers, name, state, usual=usual)
        if usual and name in self._traffic:
            self._traffic[name].failure_window.clear()
        if state.circuit is not Circuit.HALF_OPEN:
            self.trial_waits.end(name)
        if state.circuit is Circuit.OPEN:
            self._announce(name, _error_of(state.error), silent=state.unreachable)

    def _announce(self, name: str, error: TidegateError | None, *, silent: bool) -> None:
        for on_down, (target, credential) in list(self._listeners.items()):
            if name in (target.name, credential_key(target.provider, credential.name)):
                on_down(error, silent)

    def resynchronize(self) -> None:
        """Read everything again, because messages may be lost."""
        self._is_synchronized = False
        self._run(self.synchronize())

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work, name="health-publish")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _store_unless_usual(states: dict[str, _State], name: str, state: _State, *, usual: bool) -> None:
    """Store a state, or remove it where it is the usual one."""
    if usual:
        states.pop(name, None)
    else:
        states[name] = state


def _error_of(packed: dict[str, object] | None) -> TidegateError | None:
    return None if packed is None else unpack_error(packed)
