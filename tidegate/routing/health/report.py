"""How targets and credentials stand, for people: what is configured, and what the replicas know of it."""

from collections.abc import Callable, Iterable, Mapping, Sequence

import msgspec

from tidegate.core.clock import Clock
from tidegate.core.errors import NoSuchCredential, RateLimited
from tidegate.routing.health import credential_state
from tidegate.routing.health.alerts import alert
from tidegate.routing.health.circuit_breaker import Circuit
from tidegate.routing.health.credential_state import CredentialState, Standing
from tidegate.routing.health.registry import Board
from tidegate.routing.health.store import StandingStore, Told


class Shown(msgspec.Struct, frozen=True, kw_only=True):
    """A target or a credential."""

    name: str
    """`provider/model`, or `provider/credential`."""
    state: str
    since: float | None = None
    """Unix seconds; None where it was never anything else."""
    error: str | None = None
    """The name of the error that brought it here."""
    until: float | None = None
    """Unix seconds: the end of a rate limit."""
    message: str | None = None
    """The error's words."""


class UpstreamShown(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that is asked."""

    targets: tuple[Shown, ...]
    credentials: tuple[Shown, ...]


class StandingReport:
    """Reads the replicas' common picture, and suspends and resumes credentials in it."""

    def __init__(
        self,
        store: StandingStore,
        *,
        targets: Iterable[str],
        credentials: Mapping[str, Sequence[str]],
        clock: Clock,
        alert: Callable[[Told, str], None] = alert,
    ) -> None:
        """`targets` by name, as far as routes name them; `credentials` by provider; `alert` is told of changes."""
        self._alert = alert
        self._store = store
        self._targets = tuple(dict.fromkeys(targets))
        self._names = tuple(f"{provider}/{name}" for provider, names in credentials.items() for name in names)
        self._clock = clock

    async def read(self) -> UpstreamShown:
        """How everything stands. Raises RedisUnavailable."""
        return self._of(await self._store.load(), await self._store.limits(self._clock.now()))

    def now_on(self, board: Board) -> UpstreamShown:
        """How everything stands, as this process knows it; asks nobody."""
        return self._of(board.known(), board.limits(self._clock.now()))

    def _of(self, told: Iterable[Told], limits: Mapping[str, float]) -> UpstreamShown:
        known = {one.name: one for one in told}
        targets = {f"breaker {name}": name for name in self._targets}
        targets.update(
            (name, name.partition(" ")[2])
            for name, one in sorted(known.items())
            if one.breaker is not None and one.kind != Circuit.CLOSED.value
        )
        return UpstreamShown(
            targets=tuple(_shown(shown, known.get(name), Circuit.CLOSED.value) for name, shown in targets.items()),
            credentials=tuple(
                _limited(_shown(name, known.get(f"credential {name}"), Standing.HEALTHY.value), limits)
                for name in self._names
            ),
        )

    async def suspend(self, name: str) -> Shown:
        """Take a credential out, in all replicas. Raises NoSuchCredential and RedisUnavailable."""
        return await self._change(name, credential_state.suspended(self._clock.now()))

    async def resume(self, name: str) -> Shown:
        """Take a credential back, whatever took it out. Raises NoSuchCredential and RedisUnavailable."""
        return await self._change(name, credential_state.resumed(self._clock.now()))

    async def _change(self, name: str, state: CredentialState) -> Shown:
        if name not in self._names:
            raise NoSuchCredential(f"There is no credential '{name}'. There are: {', '.join(self._names)}.")
        told = Told(name=f"credential {name}", at=state.since, kind=state.standing.value, credential=state)
        before = await self._store.tell(told)
        if isinstance(before, Told):  # written by a clock that is ahead of this one
            told = msgspec.structs.replace(told, at=before.at + credential_state.LATER)
            before = await self._store.tell(told)
        if isinstance(before, str):
            self._alert(told, before)
        return _shown(name, told, Standing.HEALTHY.value)


def _shown(name: str, told: Told | None, usual: str) -> Shown:
    if told is None:
        return Shown(name=name, state=usual)
    state = told.breaker or told.credential
    error = state.error if state else None
    return Shown(
        name=name,
        state=told.kind,
        since=state.since if state else told.at,
        error=str(error["name"]) if error else None,
        message=str(error["message"]) if error else None,
    )


def _limited(shown: Shown, limits: Mapping[str, float]) -> Shown:
    """A healthy credential as limited, where it is for one of its models."""
    start = f"{shown.name}/"
    mine = {lane.removeprefix(start): until for lane, until in limits.items() if lane.startswith(start)}
    if shown.state != Standing.HEALTHY.value or not mine:
        return shown
    models = sorted(mine)
    others = "" if len(models) == 1 else f" and {len(models) - 1} more"
    return Shown(
        name=shown.name,
        state=Standing.LIMITED.value,
        until=max(mine.values()),
        error=RateLimited.name,
        message=f"The upstream takes no more calls for {models[0]}{others} for now.",
    )
