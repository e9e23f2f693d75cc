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
    RateLimited,
    RedisUnavailable,
    SlowDown,
    TidegateError,
    UpstreamBusy,
    UpstreamTimeout,
    unpack_error,
)
from tidegate.providers.base import Credential
from tidegate.providers.target import Target
from tidegate.routing.error_scope import Blame, blame_of
from tidegate.routing.fallback_policy import Standings, credential_key, lane_of
from tidegate.routing.health import circuit_breaker, credential_state
from tidegate.routing.health.alerts import alert
from tidegate.routing.health.circuit_breaker import BreakerState, Circuit, Tally
from tidegate.routing.health.credential_state import CredentialState, Standing
from tidegate.routing.health.store import StandingStore, Told, load_all

_REFUSED_SECONDS = 0.5
"""After another replica had a claim, this one asks for it no sooner."""

_BUSY_SECONDS = 2.0
MOST_KEPT = 1000
"""Targets whose traffic is remembered, and rate limits: callers choose models' names, so there may be any number."""

_State = TypeVar("_State")

Hear = Callable[[TidegateError | None, bool], None]
"""Is told that a target is down or a credential out: with which error, and whether the target is silent altogether."""


class Traffic:
    """One target's calls in this process."""

    def __init__(self, target: Target, tally: Tally) -> None:
        self.target = target
        self.tally = tally
        self.unanswered = 0
        """Calls under way of which nothing was heard."""
        self.heard_at = 0.0
        """When something was last heard, or the first of those calls was sent; on the monotonic clock."""


class Board:
    """Use it between `start` and `close`."""

    def __init__(self, store: StandingStore, config: BreakerConfig, *, clock: Clock) -> None:
        self.store = store
        self._config = config
        self._clock = clock
        self._breakers: dict[str, BreakerState] = {}
        self._credentials: dict[str, CredentialState] = {}
        self._busy: dict[str, float] = {}
        self.standings = Standings(breakers=self._breakers, credentials=self._credentials, busy=self._busy)
        """The view that decisions are made from; it changes as news come in."""
        self._told: dict[str, Told] = {}
        """The newest word on each name."""
        self._untold: set[str] = set()
        """Names of which Redis does not know the newest word."""
        self._traffic: dict[str, Traffic] = {}
        self._listeners: dict[Hear, tuple[Target, Credential]] = {}
        self._claims: dict[str, float] = {}
        self._in_step = False
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def telling(self) -> bool:
        """Whether something is on its way to Redis."""
        return bool(self._tasks)

    def __repr__(self) -> str:
        return f"<Board: {len(self._breakers)} breakers not closed, {len(self._credentials)} credentials not healthy>"

    async def start(self) -> None:
        """Hear the other replicas, and read what they know."""
        await self.store.start(self._hear, self.missed)
        await self.keep_in_step()

    async def close(self) -> None:
        """Stop; what is being told is told."""
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.store.close()

    # what calls report

    def sent(self, target: Target) -> None:
        """A call is on its way."""
        traffic = self.traffic(target)
        if traffic.unanswered == 0:
            traffic.heard_at = self._clock.monotonic()
        traffic.unanswered += 1

    def heard(self, target: Target, *, a_word: bool = True) -> None:
        """It is answered, or was given up without `a_word` from there."""
        traffic = self.traffic(target)
        traffic.unanswered -= 1
        if a_word:
            traffic.heard_at = self._clock.monotonic()

    def answered(self, target: Target, credential: Credential, *, trial: bool = False) -> None:
        """A call's answer has begun."""
        if trial:
            self._tried(target, None)
        key = credential_key(target.provider, credential.name)
        if key in self._credentials:
            self._set_credential(key, credential_state.after_success(self._credentials[key], self._clock.now()))

    def completed(self, target: Target) -> None:
        """A call's answer came to its end."""
        self.traffic(target).tally.note(self._clock.monotonic(), ok=True)

    def failed(
        self, target: Target, credential: Credential, error: TidegateError, *, trial: bool = False, slow: bool = False
    ) -> None:
        """A call failed; `slow` where it was a trial that ran out of its time."""
        blame = blame_of(error)
        if blame is Blame.TARGET:
            self._note_failure(target, error)
        if trial:
            self._tried(target, error if blame is Blame.TARGET else None, slow=slow)
        now, key = self._clock.now(), credential_key(target.provider, credential.name)
        if blame is Blame.CREDENTIAL:
            state = self._credentials.get(key, credential_state.HEALTHY)
            self._set_credential(key, credential_state.after_error(state, error, now))
        elif isinstance(error, UpstreamBusy):
            self.busy(lane_of(target, credential), error.retry_after or 0.0)
        elif isinstance(error, RateLimited | SlowDown):
            self._limit(lane_of(target, credential), credential_state.limited(error, now))

    def trial_survived(self, target: Target) -> bool:
        """A trial has had its time and neither answer nor failure; whether that means that the target is well.

        It does where calls used to fail quickly there; it does not where they used to hang.
        """
        state = self._breakers.get(target.name)
        if state is None or isinstance(_error_of(state.error), UpstreamTimeout):
            return state is None
        self._tried(target, None)
        return True

    def busy(self, lane: str, seconds: float) -> None:
        """Calls wait in a lane, so long as it seems: others are the better choice for a moment. Told to nobody."""
        now = self._clock.now()
        if len(self._busy) > MOST_KEPT:
            for old in [name for name, until in self._busy.items() if until <= now]:
                del self._busy[old]
        self._busy[lane] = now + min(seconds, _BUSY_SECONDS)

    def gave_up(self, target: Target) -> None:
        """A trial's caller went away: nothing was learnt."""
        self._claims.pop(f"trial {target.name}", None)

    def _note_failure(self, target: Target, error: TidegateError) -> None:
        traffic = self.traffic(target)
        opens = traffic.tally.note(self._clock.monotonic(), ok=False)
        if opens and target.name not in self._breakers:
            self._set_breaker(target.name, circuit_breaker.opened(error, self._clock.now()))

    def _tried(self, target: Target, error: TidegateError | None, *, slow: bool = False) -> None:
        self.gave_up(target)
        state = self._breakers.get(target.name)
        if state is not None and state.circuit is Circuit.HALF_OPEN:
            self._set_breaker(target.name, circuit_breaker.tried(state, self._clock.now(), error, slow=slow))

    # what probes report

    def probed(self, target: Target) -> None:
        """An open target answers a free probe."""
        state = self._breakers.get(target.name)
        if state is not None and state.circuit is Circuit.OPEN:
            self._set_breaker(target.name, circuit_breaker.probed(state))

    def silent(self, target: Target, error: TidegateError) -> None:
        """Nothing comes from a target, not even for a free probe."""
        if target.name not in self._breakers:
            self._set_breaker(target.name, circuit_breaker.opened(error, self._clock.now(), unreachable=True))

    def key_is_good(self, key: str) -> None:
        """A free probe found a key good."""
        if key in self._credentials:
            self._set_credential(key, credential_state.after_probe(self._credentials[key], self._clock.now()))

    # what others want to know

    def known(self) -> list[Told]:
        """The newest word on each target and credential of which there is one."""
        return list(self._told.values())

    def limits(self, now: float) -> dict[str, float]:
        """The lanes that are limited, and until when, Unix seconds."""
        known = self._credentials.items()
        return {lane: each.until for lane, each in known if each.standing is Standing.LIMITED and each.until > now}

    def traffic(self, target: Target) -> Traffic:
        """A target's calls in this process."""
        found = self._traffic.get(target.name)
        if found is None:
            config = self._config
            tally = Tally(
                in_a_row=config.failures, share=config.share, least=config.calls, window=config.window_seconds
            )
            found = self._traffic[target.name] = Traffic(target, tally)
            if len(self._traffic) > MOST_KEPT:
                self._traffic = {name: seen for name, seen in self._traffic.items() if seen.unanswered or seen is found}
        return found

    def all_traffic(self) -> Iterator[Traffic]:
        """Of all targets that were asked by this process."""
        yield from list(self._traffic.values())

    def listen(self, hear: Hear, target: Target, credential: Credential) -> None:
        """From now on `hear` is told if the target goes down or the credential is taken out."""
        self._listeners[hear] = (target, credential)

    def ignore(self, hear: Hear) -> None:
        """No more."""
        del self._listeners[hear]

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
            self._claims[what] = now + _REFUSED_SECONDS
        return won

    async def keep_in_step(self) -> None:
        """Read what other replicas know, and tell what they do not, where that is due. To be called now and then."""
        if not self._in_step:
            known = await load_all(self.store)
            if known is None:
                return
            self._in_step = True
            names = {told.name for told in known}
            self._untold.update(name for name in self._told if name not in names)  # Redis lost its memory
            for told in known:
                self._hear(told)
        for name in list(self._untold):
            await self._tell(self._told[name], self._told[name].kind)

    # changes

    def _set_breaker(self, name: str, state: BreakerState) -> None:
        what = f"breaker {name}"
        self._change(Told(name=what, at=self._after(what), kind=state.circuit.value, breaker=state))

    def _set_credential(self, key: str, state: CredentialState) -> None:
        if self._credentials.get(key, credential_state.HEALTHY) is not state:
            what = f"credential {key}"
            self._change(Told(name=what, at=self._after(what), kind=state.standing.value, credential=state))

    def _after(self, name: str) -> float:
        """Now, or later than the word that is known, whichever clock that was written by."""
        known = self._told.get(name)
        return self._clock.now() if known is None else max(self._clock.now(), known.at + credential_state.LATER)

    def _limit(self, lane: str, state: CredentialState) -> None:
        told = Told(name=f"limit {lane}", at=self._clock.now(), kind=state.standing.value, credential=state)
        if len(self._credentials) > MOST_KEPT:
            now = self._clock.now()
            for old in [name for name, limit in self._credentials.items() if 0 < limit.until < now]:
                if not self._credentials[old].taken_out:
                    del self._credentials[old]
        self._apply(told)
        self._run(self._mention(lane, told, state.until))

    def _change(self, told: Told) -> None:
        before = self._told.get(told.name)
        self._apply(told)
        self._untold.add(told.name)
        self._run(self._tell(told, before.kind if before else ""))

    async def _tell(self, told: Told, before: str) -> None:
        """To Redis and all replicas; who was the first to find out alerts."""
        try:
            answer = await self.store.tell(told)
        except RedisUnavailable:
            alert(told, before)
            return
        if self._told.get(told.name) is told:
            self._untold.discard(told.name)
        if isinstance(answer, Told):
            self._hear(answer)
        else:
            alert(told, answer)

    async def _mention(self, lane: str, told: Told, until: float) -> None:
        with contextlib.suppress(RedisUnavailable):  # each replica meets the limit itself, then
            await self.store.limit(lane, told, until)

    def _hear(self, told: Told) -> None:
        known = self._told.get(told.name)
        if known is None or told.at > known.at:
            self._untold.discard(told.name)
            self._apply(told)

    def _apply(self, told: Told) -> None:
        what, _, name = told.name.partition(" ")
        if what != "limit":
            self._told[told.name] = told
        if told.breaker is not None:
            self._apply_breaker(name, told.breaker)
        elif told.credential is not None:
            _keep(self._credentials, name, told.credential, usual=told.credential.standing is Standing.HEALTHY)
            if what == "credential" and told.credential.taken_out:
                self._announce(name, _error_of(told.credential.error), silent=False)

    def _apply_breaker(self, name: str, state: BreakerState) -> None:
        usual = state.circuit is Circuit.CLOSED
        _keep(self._breakers, name, state, usual=usual)
        if usual and name in self._traffic:
            self._traffic[name].tally.forget()
        if state.circuit is Circuit.OPEN:
            self._announce(name, _error_of(state.error), silent=state.unreachable)

    def _announce(self, name: str, error: TidegateError | None, *, silent: bool) -> None:
        for hear, (target, credential) in list(self._listeners.items()):
            if name in (target.name, credential_key(target.provider, credential.name)):
                hear(error, silent)

    def missed(self) -> None:
        """Some news may not have been heard."""
        self._in_step = False
        self._run(self.keep_in_step())

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work, name="standing")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _keep(states: dict[str, _State], name: str, state: _State, *, usual: bool) -> None:
    """What is as it should be is not kept."""
    if usual:
        states.pop(name, None)
    else:
        states[name] = state


def _error_of(packed: dict[str, object] | None) -> TidegateError | None:
    return None if packed is None else unpack_error(packed)
