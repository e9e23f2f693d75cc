"""Check by free probes what gets no calls: targets that are down, keys that were rejected, and silent targets.

`tidegate.assembly.routing` starts one `HealthChecks` in each process; it reports to the `HealthRegistry`. A claim in
Redis lets one replica at a time probe each target, every second or two. No probe costs a token.
"""

import asyncio
from collections.abc import Mapping
from random import Random

from tidegate.core.clock import Clock
from tidegate.core.errors import ConnectionFailed, FirstByteTimeout, NoUpstreamKey, TidegateError, UpstreamTimeout
from tidegate.core.periodic import PeriodicTask
from tidegate.providers.base import Credential, Provider
from tidegate.providers.target import Target
from tidegate.routing.fallback_policy import credential_key
from tidegate.routing.health import credential_state
from tidegate.routing.health.circuit_breaker import PROBE_INTERVAL_SECONDS, Circuit
from tidegate.routing.health.credential_state import CredentialStatus
from tidegate.routing.health.registry import HealthRegistry

PROBE_TIMEOUT_SECONDS = 2.0
SILENCE_SECONDS = 5.0
"""Silence of a target with unanswered calls, after which it is probed."""
MIN_UNANSWERED = 3
"""Unanswered calls of one process before silence counts: a server that does one thing at a time is busy, not down."""
MAX_UNANSWERED_PROBES = 2
"""Unanswered probes in a row after which a silent target counts as down."""
KEY_CHECK_SECONDS = 10.0
"""Between two probes of a rejected key."""
_MIN_CHECK_SECONDS = 0.9
"""Between two probes of one target, by all replicas together."""


class HealthChecks:
    """Probes in rounds, between `start` and `close`."""

    def __init__(
        self, health: HealthRegistry, providers: Mapping[str, Provider], *, clock: Clock, random: Random
    ) -> None:
        """Prepare the checks; `random` spreads the rounds of the replicas."""
        self._health = health
        self._providers = providers
        self._clock = clock
        self._unanswered_probes: dict[str, int] = {}
        """By target: probes in a row that were not answered."""
        self._rounds = PeriodicTask(
            "health-checks", self.check_all, every=lambda _: random.uniform(*PROBE_INTERVAL_SECONDS), wait_first=True
        )

    async def start(self) -> None:
        """Begin the rounds."""
        await self._rounds.start()

    async def close(self) -> None:
        """Stop the rounds."""
        await self._rounds.close()

    async def check_all(self) -> None:
        """Run one round: synchronize the registry with the other replicas, and probe everything that is due."""
        await self._health.synchronize()
        snapshot = self._health.snapshot
        down = [name for name, state in snapshot.breakers.items() if state.circuit is Circuit.OPEN]
        rejected = [key for key, state in snapshot.credentials.items() if state.status is CredentialStatus.INVALID]
        await asyncio.gather(
            *(self._check_target(_target(name)) for name in down),
            *(self._check_key(key) for key in rejected),
            *(self._check_silent_target(target) for target in self._silent_targets()),
        )

    def _silent_targets(self) -> list[Target]:
        now, snapshot = self._clock.monotonic(), self._health.snapshot
        silent = [
            traffic.target
            for traffic in self._health.all_traffic()
            if traffic.unanswered >= MIN_UNANSWERED and now - traffic.last_heard_at > SILENCE_SECONDS
            if traffic.target.name not in snapshot.breakers
        ]
        names = {target.name for target in silent}
        self._unanswered_probes = {name: count for name, count in self._unanswered_probes.items() if name in names}
        return silent

    async def _check_target(self, target: Target) -> None:
        if not await self._health.claim(f"probe {target.name}", _MIN_CHECK_SECONDS):
            return
        if not _is_unreachable(await self._probe(target.provider)):
            self._health.note_probe(target)

    async def _check_silent_target(self, target: Target) -> None:
        # an answer may just take long: probes are rare until one of them is not answered
        pause = _MIN_CHECK_SECONDS if target.name in self._unanswered_probes else SILENCE_SECONDS / 2
        if not await self._health.claim(f"probe {target.name}", pause, fleet_seconds=_MIN_CHECK_SECONDS):
            return
        error = await self._probe(target.provider)
        if error is None or not _is_unreachable(error):
            self._unanswered_probes.pop(target.name, None)
            return
        self._unanswered_probes[target.name] = self._unanswered_probes.get(target.name, 0) + 1
        if self._unanswered_probes[target.name] >= MAX_UNANSWERED_PROBES:
            self._health.note_silence(target, error)

    async def _check_key(self, key: str) -> None:
        if not await self._health.claim(f"probe credential {key}", KEY_CHECK_SECONDS):
            return
        provider_name, _, credential_name = key.partition("/")
        provider = self._providers.get(provider_name)
        for credential in provider.credentials if provider else ():
            if credential.name == credential_name and await self._probe_with(provider, credential) is None:
                self._health.note_good_key(key)

    async def _probe(self, provider_name: str) -> TidegateError | None:
        """Return the error with which a provider answers a probe; None for a good answer."""
        provider = self._providers.get(provider_name)
        if provider is None:
            return NoUpstreamKey()
        return await self._probe_with(provider, self._best_credential(provider))

    def _best_credential(self, provider: Provider) -> Credential:
        """Return the first credential that is not disabled, else the first one."""
        states = self._health.snapshot.credentials
        enabled = (
            credential
            for credential in provider.credentials
            if not states.get(credential_key(provider.name, credential.name), credential_state.HEALTHY).is_disabled
        )
        return next(enabled, provider.credentials[0])

    async def _probe_with(self, provider: Provider | None, credential: Credential) -> TidegateError | None:
        if provider is None:
            return NoUpstreamKey()
        try:
            async with asyncio.timeout(PROBE_TIMEOUT_SECONDS):
                await provider.probe(credential)
        except TimeoutError:
            return FirstByteTimeout(f"The upstream did not answer a free probe within {PROBE_TIMEOUT_SECONDS:g} s.")
        except TidegateError as error:
            return error
        return None


def _is_unreachable(error: TidegateError | None) -> bool:
    """Return whether not even an error came back; after any answer, a call may try the target."""
    return isinstance(error, ConnectionFailed | UpstreamTimeout)


def _target(name: str) -> Target:
    provider, _, model = name.partition("/")
    return Target(provider, model)
