"""The health of all configured targets and credentials, for operators. The command line and the admin API read it."""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence

import msgspec

from tidegate.core.clock import Clock
from tidegate.core.errors import CredentialNotFound, UpstreamRateLimited
from tidegate.routing.health import credential_state
from tidegate.routing.health.change_log import OnChange, log_change
from tidegate.routing.health.circuit_breaker import Circuit
from tidegate.routing.health.credential_state import CredentialState, CredentialStatus
from tidegate.routing.health.registry import HealthRegistry
from tidegate.routing.health.store import HealthChange, HealthStore

EndWaits = Callable[[str, Iterable[str], float], Awaitable[None]]
"""Ends the waits in the lanes of a credential: its name, further lanes, and the time; `CapacityStore.end_waits`."""


class HealthEntry(msgspec.Struct, frozen=True, kw_only=True):
    """The health of one target or credential."""

    name: str
    """`provider/model`, or `provider/credential`."""
    state: str
    since: float | None = None
    """Unix seconds; None where the state never changed."""
    error: str | None = None
    """The name of the error that caused the state."""
    until: float | None = None
    """Unix seconds: the end of a rate limit."""
    message: str | None = None
    """The error's message."""


class UpstreamHealth(msgspec.Struct, frozen=True, kw_only=True):
    """The health of all targets and credentials."""

    targets: tuple[HealthEntry, ...]
    credentials: tuple[HealthEntry, ...]


class HealthReport:
    """Reads the shared health, and suspends and resumes credentials in it."""

    def __init__(
        self,
        store: HealthStore,
        *,
        targets: Iterable[str],
        credentials: Mapping[str, Sequence[str]],
        clock: Clock,
        end_waits: EndWaits,
        on_change: OnChange = log_change,
    ) -> None:
        """Prepare the report: `targets` named by routes, `credentials` by provider; `on_change` gets each change.

        `end_waits` ends the waits in a credential's lanes.
        """
        self._end_waits = end_waits
        self._on_change = on_change
        self._store = store
        self._targets = tuple(dict.fromkeys(targets))
        self._names = tuple(f"{provider}/{name}" for provider, names in credentials.items() for name in names)
        self._clock = clock

    async def read(self) -> UpstreamHealth:
        """Return the shared health. Raises RedisUnavailable."""
        return self._of(await self._store.load(), await self._store.rate_limits(self._clock.now()))

    def read_local(self, health: HealthRegistry) -> UpstreamHealth:
        """Return the health as this process knows it, without I/O."""
        return self._of(health.changes(), health.rate_limits(self._clock.now()))

    def _of(self, changes: Iterable[HealthChange], limits: Mapping[str, float]) -> UpstreamHealth:
        known = {change.name: change for change in changes}
        targets = {f"breaker {name}": name for name in self._targets}
        targets.update(
            (name, name.partition(" ")[2])
            for name, change in sorted(known.items())
            if change.breaker is not None and change.kind != Circuit.CLOSED.value
        )
        return UpstreamHealth(
            targets=tuple(_entry(entry, known.get(name), Circuit.CLOSED.value) for name, entry in targets.items()),
            credentials=tuple(
                _with_limit(_entry(name, known.get(f"credential {name}"), CredentialStatus.HEALTHY.value), limits)
                for name in self._names
            ),
        )

    async def suspend(self, name: str) -> HealthEntry:
        """Suspend a credential in all replicas. Raises NoSuchCredential and RedisUnavailable."""
        return await self._change(name, credential_state.suspended(self._clock.now()))

    async def resume(self, name: str) -> HealthEntry:
        """Enable a credential again, whatever disabled it, and end the waits that its upstream asked for.

        Raises NoSuchCredential and RedisUnavailable.
        """
        now = self._clock.now()
        entry = await self._change(name, credential_state.resumed(now))
        limited = [lane for lane in await self._store.rate_limits(now) if lane.startswith(f"{name}/")]
        await self._end_waits(name, limited, now)
        await self._store.end_rate_limits(limited)
        return entry

    async def _change(self, name: str, state: CredentialState) -> HealthEntry:
        if name not in self._names:
            raise CredentialNotFound(f"There is no credential '{name}'. There are: {', '.join(self._names)}.")
        change = HealthChange(name=f"credential {name}", at=state.since, kind=state.status.value, credential=state)
        before = await self._store.publish(change)
        if isinstance(before, HealthChange):  # another replica, whose clock is ahead, wrote it
            change = msgspec.structs.replace(change, at=before.at + credential_state.CLOCK_STEP_SECONDS)
            before = await self._store.publish(change)
        if isinstance(before, str):
            self._on_change(change, before)
        return _entry(name, change, CredentialStatus.HEALTHY.value)


def _entry(name: str, change: HealthChange | None, usual: str) -> HealthEntry:
    if change is None:
        return HealthEntry(name=name, state=usual)
    state = change.breaker or change.credential
    error = state.error if state else None
    return HealthEntry(
        name=name,
        state=change.kind,
        since=state.since if state else change.at,
        error=str(error["name"]) if error else None,
        message=str(error["message"]) if error else None,
    )


def _with_limit(entry: HealthEntry, limits: Mapping[str, float]) -> HealthEntry:
    """Return a healthy credential as limited, where one of its models is."""
    start = f"{entry.name}/"
    own_limits = {lane.removeprefix(start): until for lane, until in limits.items() if lane.startswith(start)}
    if entry.state != CredentialStatus.HEALTHY.value or not own_limits:
        return entry
    models = sorted(own_limits)
    others = "" if len(models) == 1 else f" and {len(models) - 1} more"
    return HealthEntry(
        name=entry.name,
        state=CredentialStatus.LIMITED.value,
        until=max(own_limits.values()),
        error=UpstreamRateLimited.name,
        message=f"The upstream accepts no more calls for {models[0]}{others} for now.",
    )
