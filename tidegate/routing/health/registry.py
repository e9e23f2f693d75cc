"""How targets and credentials stand, as this process knows it: judged from its own calls, shared with all replicas.

A healthy call costs no round trip: reading is from memory. A change is in force here at once, and is written to Redis
beside the calls; other replicas hear of it. With Redis away each process judges for itself, and tells later.
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
from tidegate.routing.health.alerts import write_alert
from tidegate.routing.health.circuit_breaker import BreakerState, Circuit, FailureWindow
from tidegate.routing.health.credential_state import CredentialState, CredentialStatus
from tidegate.routing.health.store import HealthChange, HealthStore, load_all

_LOST_CLAIM_SECONDS = 0.5
"""After another replica had a claim, this one asks for it no sooner."""

_BUSY_SECONDS = 2.0
MAX_REMEMBERED = 1000
"""Targets whose traffic is remembered, and rate limits: callers choose models' names, so there may be any number."""

_State = TypeVar("_State")

OnDown = Callable[[TidegateError | None, bool], None]
"""Is told that a target is down or a credential out: with which error, and whether the target is silent altogether."""


class Traffic:
    """One target's calls in this process."""

    def __init__(self, target: Target, tally: FailureWindow) -> None:
        self.target = target
        self.failure_window = tally
        self.unanswered = 0
        """Calls under way of which nothing was heard."""
        self.last_heard_at = 0.0
        """When something was last heard, or the first of those calls was sent; on the monotonic clock."""


class HealthRegistry:
    """Use it between `start` and `close`."""

    def __init__(self, store: HealthStore, config: BreakerConfig, *, clock: Clock) -> None:
        self.store = store
        self._config = config
        self._clock = clock
        self._breakers: dict[str, BreakerState] = {}
        self._credentials: dict[str, CredentialState] = {}
        self._busy_until: dict[str, float] = {}
        self.snapshot = HealthSnapshot(breakers=self._breakers, credentials=self._credentials, busy=self._busy_until)
        """The view that decisions are made from; it changes as news come in."""
        self._changes: dict[str, HealthChange] = {}
        """The newest word on each name."""
        self._unpublished: set[str] = set()
        """Names of which Redis does not know the newest word."""
        self._traffic: dict[str, Traffic] = {}
        self._listeners: dict[OnDown, tuple[Target, Credential]] = {}
        self._claims: dict[str, float] = {}
        self._is_synchronized = False
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def is_publishing(self) -> bool:
        """Whether something is on its way to Redis."""
        return bool(self._tasks)

    def __repr__(self) -> str:
        return f"<Board: {len(self._breakers)} breakers not closed, {len(self._credentials)} credentials not healthy>"

    async def start(self) -> None:
        """Hear the other replicas, and read what they know."""
        await self.store.start(self._take_change, self.resynchronize)
        await self.synchronize()

    async def close(self) -> None:
        """Stop; what is being told is told."""
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.store.close()

    # what calls report

    def note_sent(self, target: Target) -> None:
        """A call is on its way."""
        traffic = self.traffic(target)
        if traffic.unanswered == 0:
            traffic.last_heard_at = self._clock.monotonic()
        traffic.unanswered += 1

    def note_heard(self, target: Target, *, has_answer: bool = True) -> None:
        """It is answered, or was given up without `a_word` from there."""
        traffic = self.traffic(target)
        traffic.unanswered -= 1
        if has_answer:
            traffic.last_heard_at = self._clock.monotonic()

    def note_answer(self, target: Target, credential: Credential, *, trial: bool = False) -> None:
        """A call's answer has begun."""
        if trial:
            self._end_trial(target, None)
        key = credential_key(target.provider, credential.name)
        if key in self._credentials:
            self._set_credential(key, credential_state.after_success(self._credentials[key], self._clock.now()))

    def note_completed(self, target: Target) -> None:
        """A call's answer came to its end."""
        self.traffic(target).failure_window.add(self._clock.monotonic(), ok=True)

    def note_failure(
        self, target: Target, credential: Credential, error: TidegateError, *, trial: bool = False, slow: bool = False
    ) -> None:
        """A call failed; `slow` where it was a trial that ran out of its time."""
        blame = error_scope(error)
        if blame is ErrorScope.TARGET:
            self._count_failure(target, error)
        if trial:
            self._end_trial(target, error if blame is ErrorScope.TARGET else None, slow=slow)
        now, key = self._clock.now(), credential_key(target.provider, credential.name)
        if blame is ErrorScope.CREDENTIAL:
            state = self._credentials.get(key, credential_state.HEALTHY)
            self._set_credential(key, credential_state.after_error(state, error, now))
        elif isinstance(error, UpstreamBusy):
            self.note_busy(lane_of(target, credential), error.retry_after or 0.0)
        elif isinstance(error, UpstreamRateLimited | SlowDown):
            self._limit(lane_of(target, credential), credential_state.limited(error, now))

    def ended_trial_well(self, target: Target) -> bool:
        """A trial has had its time and neither answer nor failure; whether that means that the target is well.

        It does where calls used to fail quickly there; it does not where they used to hang.
        """
        state = self._breakers.get(target.name)
        if state is None or isinstance(_error_of(state.error), UpstreamTimeout):
            return state is None
        self._end_trial(target, None)
        return True

    def note_busy(self, lane: str, seconds: float) -> None:
        """Calls wait in a lane, so long as it seems: others are the better choice for a moment. Told to nobody."""
        now = self._clock.now()
        if len(self._busy_until) > MAX_REMEMBERED:
            for old in [name for name, until in self._busy_until.items() if until <= now]:
                del self._busy_until[old]
        self._busy_until[lane] = now + min(seconds, _BUSY_SECONDS)

    def release_trial(self, target: Target) -> None:
        """A trial's caller went away: nothing was learnt."""
        self._claims.pop(f"trial {target.name}", None)

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
        """An open target answers a free probe."""
        state = self._breakers.get(target.name)
        if state is not None and state.circuit is Circuit.OPEN:
            self._set_breaker(target.name, circuit_breaker.after_probe(state))

    def note_silence(self, target: Target, error: TidegateError) -> None:
        """Nothing comes from a target, not even for a free probe."""
        if target.name not in self._breakers:
            self._set_breaker(target.name, circuit_breaker.open_breaker(error, self._clock.now(), unreachable=True))

    def note_good_key(self, key: str) -> None:
        """A free probe found a key good."""
        if key in self._credentials:
            self._set_credential(key, credential_state.after_probe(self._credentials[key], self._clock.now()))

    # what others want to know

    def changes(self) -> list[HealthChange]:
        """The newest word on each target and credential of which there is one."""
        return list(self._changes.values())

    def rate_limits(self, now: float) -> dict[str, float]:
        """The lanes that are limited, and until when, Unix seconds."""
        known = self._credentials.items()
        return {
            lane: each.until for lane, each in known if each.status is CredentialStatus.LIMITED and each.until > now
        }

    def traffic(self, target: Target) -> Traffic:
        """A target's calls in this process."""
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
        """Of all targets that were asked by this process."""
        yield from list(self._traffic.values())

    def add_listener(self, on_down: OnDown, target: Target, credential: Credential) -> None:
        """From now on `hear` is told if the target goes down or the credential is taken out."""
        self._listeners[on_down] = (target, credential)

    def remove_listener(self, on_down: OnDown) -> None:
        """No more."""
        del self._listeners[on_down]

    async def claim(self, what: str, seconds: float, *, fleet_seconds: float | None = None) -> bool:
        """Take what one call, or one replica, at a time may do; False where another has it.

        Held here for so many `seconds`, by this process among all for `fleet_seconds`. With Redis away it is this
        process's alone.
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
        """Read what other replicas know, and tell what they do not, where that is due. To be called now and then."""
        if not self._is_synchronized:
            known = await load_all(self.store)
            if known is None:
                return
            self._is_synchronized = True
            names = {told.name for told in known}
            self._unpublished.update(name for name in self._changes if name not in names)  # Redis lost its memory
            for told in known:
                self._take_change(told)
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
        """Now, or later than the word that is known, whichever clock that was written by."""
        known = self._changes.get(name)
        return (
            self._clock.now()
            if known is None
            else max(self._clock.now(), known.at + credential_state.CLOCK_STEP_SECONDS)
        )

    def _limit(self, lane: str, state: CredentialState) -> None:
        told = HealthChange(name=f"limit {lane}", at=self._clock.now(), kind=state.status.value, credential=state)
        if len(self._credentials) > MAX_REMEMBERED:
            now = self._clock.now()
            for old in [name for name, limit in self._credentials.items() if 0 < limit.until < now]:
                if not self._credentials[old].is_disabled:
                    del self._credentials[old]
        self._apply(told)
        self._run(self._publish_limit(lane, told, state.until))

    def _change(self, told: HealthChange) -> None:
        before = self._changes.get(told.name)
        self._apply(told)
        self._unpublished.add(told.name)
        self._run(self._publish(told, before.kind if before else ""))

    async def _publish(self, told: HealthChange, before: str) -> None:
        """To Redis and all replicas; who was the first to find out alerts."""
        try:
            answer = await self.store.publish(told)
        except RedisUnavailable:
            write_alert(told, before)
            return
        if self._changes.get(told.name) is told:
            self._unpublished.discard(told.name)
        if isinstance(answer, HealthChange):
            self._take_change(answer)
        else:
            write_alert(told, answer)

    async def _publish_limit(self, lane: str, told: HealthChange, until: float) -> None:
        with contextlib.suppress(RedisUnavailable):  # each replica meets the limit itself, then
            await self.store.publish_limit(lane, told, until)

    def _take_change(self, told: HealthChange) -> None:
        known = self._changes.get(told.name)
        if known is None or told.at > known.at:
            self._unpublished.discard(told.name)
            self._apply(told)

    def _apply(self, told: HealthChange) -> None:
        what, _, name = told.name.partition(" ")
        if what != "limit":
            self._changes[told.name] = told
        if told.breaker is not None:
            self._apply_breaker(name, told.breaker)
        elif told.credential is not None:
            _store_unless_usual(
                self._credentials, name, told.credential, usual=told.credential.status is CredentialStatus.HEALTHY
            )
            if what == "credential" and told.credential.is_disabled:
                self._announce(name, _error_of(told.credential.error), silent=False)

    def _apply_breaker(self, name: str, state: BreakerState) -> None:
        usual = state.circuit is Circuit.CLOSED
        _store_unless_usual(self._breakers, name, state, usual=usual)
        if usual and name in self._traffic:
            self._traffic[name].failure_window.clear()
        if state.circuit is Circuit.OPEN:
            self._announce(name, _error_of(state.error), silent=state.unreachable)

    def _announce(self, name: str, error: TidegateError | None, *, silent: bool) -> None:
        for hear, (target, credential) in list(self._listeners.items()):
            if name in (target.name, credential_key(target.provider, credential.name)):
                hear(error, silent)

    def resynchronize(self) -> None:
        """Some news may not have been heard."""
        self._is_synchronized = False
        self._run(self.synchronize())

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work, name="standing")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _store_unless_usual(states: dict[str, _State], name: str, state: _State, *, usual: bool) -> None:
    """What is as it should be is not kept."""
    if usual:
        states.pop(name, None)
    else:
        states[name] = state


def _error_of(packed: dict[str, object] | None) -> TidegateError | None:
    return None if packed is None else unpack_error(packed)
