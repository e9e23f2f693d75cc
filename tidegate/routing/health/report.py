"""How targets and credentials stand, for people: what is configured, and what the replicas know of it."""

from collections.abc import Callable, Iterable, Mapping, Sequence

import msgspec

from tidegate.core.clock import Clock
from tidegate.core.errors import CredentialNotFound, UpstreamRateLimited
from tidegate.routing.health import credential_state
from tidegate.routing.health.alerts import write_alert
from tidegate.routing.health.circuit_breaker import Circuit
from tidegate.routing.health.credential_state import CredentialState, CredentialStatus
from tidegate.routing.health.registry import HealthRegistry
from tidegate.routing.health.store import HealthChange, HealthStore


class HealthEntry(msgspec.Struct, frozen=True, kw_only=True):
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


class UpstreamHealth(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that is asked."""

    targets: tuple[HealthEntry, ...]
    credentials: tuple[HealthEntry, ...]


class HealthReport:
    """Reads the replicas' common picture, and suspends and resumes credentials in it."""

    def __init__(
        self,
        store: HealthStore,
        *,
        targets: Iterable[str],
        credentials: Mapping[str, Sequence[str]],
        clock: Clock,
        alert: Callable[[HealthChange, str], None] = write_alert,
    ) -> None:
        """`targets` by name, as far as routes name them; `credentials` by provider; `alert` is told of changes."""
        self._alert = alert
        self._store = store
        self._targets = tuple(dict.fromkeys(targets))
        self._names = tuple(f"{provider}/{name}" for provider, names in credentials.items() for name in names)
        self._clock = clock

    async def read(self) -> UpstreamHealth:
        """How everything stands. Raises RedisUnavailable."""
        return self._of(await self._store.load(), await self._store.rate_limits(self._clock.now()))

    def read_local(self, health: HealthRegistry) -> UpstreamHealth:
        """How everything stands, as this process knows it; asks nobody."""
        return self._of(health.changes(), health.rate_limits(self._clock.now()))

    def _of(self, told: Iterable[HealthChange], limits: Mapping[str, float]) -> UpstreamHealth:
        known = {one.name: one for one in told}
        targets = {f"breaker {name}": name for name in self._targets}
        targets.update(
            (name, name.partition(" ")[2])
            for name, one in sorted(known.items())
            if one.breaker is not None and one.kind != Circuit.CLOSED.value
        )
        return UpstreamHealth(
            targets=tuple(_entry(shown, known.get(name), Circuit.CLOSED.value) for name, shown in targets.items()),
            credentials=tuple(
                _with_limit(_entry(name, known.get(f"credential {name}"), CredentialStatus.HEALTHY.value), limits)
                for name in self._names
            ),
        )

    async def suspend(self, name: str) -> HealthEntry:
        """Take a credential out, in all replicas. Raises NoSuchCredential and RedisUnavailable."""
        return await self._change(name, credential_state.suspended(self._clock.now()))

    async def resume(self, name: str) -> HealthEntry:
        """Take a credential back, whatever took it out. Raises NoSuchCredential and RedisUnavailable."""
        return await self._change(name, credential_state.resumed(self._clock.now()))

    async def _change(self, name: str, state: CredentialState) -> HealthEntry:
        if name not in self._names:
            raise CredentialNotFound(f"There is no credential '{name}'. There are: {', '.join(self._names)}.")
        told = HealthChange(name=f"credential {name}", at=state.since, kind=state.status.value, credential=state)
        before = await self._store.publish(told)
        if isinstance(before, HealthChange):  # written by a clock that is ahead of this one
            told = msgspec.structs.replace(told, at=before.at + credential_state.CLOCK_STEP_SECONDS)
            before = await self._store.publish(told)
        if isinstance(before, str):
            self._alert(told, before)
        return _entry(name, told, CredentialStatus.HEALTHY.value)


def _entry(name: str, told: HealthChange | None, usual: str) -> HealthEntry:
    if told is None:
        return HealthEntry(name=name, state=usual)
    state = told.breaker or told.credential
    error = state.error if state else None
    return HealthEntry(
        name=name,
        state=told.kind,
        since=state.since if state else told.at,
        error=str(error["name"]) if error else None,
        message=str(error["message"]) if error else None,
    )


def _with_limit(shown: HealthEntry, limits: Mapping[str, float]) -> HealthEntry:
    """A healthy credential as limited, where it is for one of its models."""
    start = f"{shown.name}/"
    mine = {lane.removeprefix(start): until for lane, until in limits.items() if lane.startswith(start)}
    if shown.state != CredentialStatus.HEALTHY.value or not mine:
        return shown
    models = sorted(mine)
    others = "" if len(models) == 1 else f" and {len(models) - 1} more"
    return HealthEntry(
        name=shown.name,
        state=CredentialStatus.LIMITED.value,
        until=max(mine.values()),
        error=UpstreamRateLimited.name,
        message=f"The upstream takes no more calls for {models[0]}{others} for now.",
    )
