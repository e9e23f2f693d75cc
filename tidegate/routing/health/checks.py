"""Looks, by free probes, at what is not asked: targets that are down, keys that were refused, targets gone silent.

One replica at a time looks at each, every second or two; nothing here costs a token.
"""

import asyncio
import contextlib
from collections.abc import Mapping
from random import Random

import structlog

from tidegate.core.clock import Clock
from tidegate.core.errors import ConnectionFailed, FirstByteTimeout, NoUpstreamKey, TidegateError, UpstreamTimeout
from tidegate.providers.base import Credential, Provider
from tidegate.providers.target import Target
from tidegate.routing.fallback_policy import credential_key
from tidegate.routing.health import credential_state
from tidegate.routing.health.circuit_breaker import PROBE_INTERVAL_SECONDS, Circuit
from tidegate.routing.health.credential_state import CredentialStatus
from tidegate.routing.health.registry import HealthRegistry

PROBE_TIMEOUT_SECONDS = 2.0
"""Seconds that a probe may take."""
SILENCE_SECONDS = 5.0
"""Seconds without a word from a target that owes answers, after which it is looked at."""
MIN_UNANSWERED = 3
"""Answers that it must owe, in one process: a server that does one thing at a time is busy, not dead."""
MAX_UNANSWERED_PROBES = 2
"""Probes in a row that a silent target leaves unanswered until it counts as down."""
KEY_CHECK_SECONDS = 10.0
"""Between two looks at a refused key."""
_log = structlog.get_logger("upstream")

_MIN_CHECK_SECONDS = 0.9
"""Seconds between two looks of the whole fleet at one target."""


class HealthChecks:
    """Use it between `start` and `close`."""

    def __init__(
        self, health: HealthRegistry, providers: Mapping[str, Provider], *, clock: Clock, random: Random
    ) -> None:
        self._health = health
        self._providers = providers
        self._clock = clock
        self._random = random
        self._unanswered_probes: dict[str, int] = {}
        """By target: probes in a row that were not answered."""
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to look."""
        self._task = asyncio.create_task(self._run(), name="upstream-probing")

    async def close(self) -> None:
        """Stop."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def check_all(self) -> None:
        """Look once at everything that is due."""
        await self._health.synchronize()
        standings = self._health.snapshot
        down = [name for name, state in standings.breakers.items() if state.circuit is Circuit.OPEN]
        refused = [key for key, state in standings.credentials.items() if state.status is CredentialStatus.INVALID]
        await asyncio.gather(
            *(self._check_target(_target(name)) for name in down),
            *(self._check_key(key) for key in refused),
            *(self._check_silent_target(target) for target in self._silent_targets()),
        )

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(self._random.uniform(*PROBE_INTERVAL_SECONDS))
            try:
                await self.check_all()
            except Exception:  # noqa: BLE001  # whatever it was: who stops looking, never closes a breaker again
                _log.exception("a look at the upstream failed")

    def _silent_targets(self) -> list[Target]:
        now, standings = self._clock.monotonic(), self._health.snapshot
        silent = [
            traffic.target
            for traffic in self._health.all_traffic()
            if traffic.unanswered >= MIN_UNANSWERED and now - traffic.last_heard_at > SILENCE_SECONDS
            if traffic.target.name not in standings.breakers
        ]
        names = {target.name for target in silent}
        self._unanswered_probes = {name: count for name, count in self._unanswered_probes.items() if name in names}
        return silent

    async def _check_target(self, target: Target) -> None:
        if not await self._health.claim(f"probe {target.name}", _MIN_CHECK_SECONDS):
            return
        if not _is_out_of_reach(await self._probe(target.provider)):
            self._health.note_probe(target)

    async def _check_silent_target(self, target: Target) -> None:
        # an answer may just take its time: looks are few, until one is not answered
        pause = _MIN_CHECK_SECONDS if target.name in self._unanswered_probes else SILENCE_SECONDS / 2
        if not await self._health.claim(f"probe {target.name}", pause, fleet_seconds=_MIN_CHECK_SECONDS):
            return
        error = await self._probe(target.provider)
        if error is None or not _is_out_of_reach(error):
            self._unanswered_probes.pop(target.name, None)
            return
        self._unanswered_probes[target.name] = self._unanswered_probes.get(target.name, 0) + 1
        if self._unanswered_probes[target.name] >= MAX_UNANSWERED_PROBES:
            self._health.note_silence(target, error)

    async def _check_key(self, key: str) -> None:
        if not await self._health.claim(f"probe {key}", KEY_CHECK_SECONDS):
            return
        name, _, credential_name = key.partition("/")
        provider = self._providers.get(name)
        for credential in provider.credentials if provider else ():
            if credential.name == credential_name and await self._probe_with(provider, credential) is None:
                self._health.note_good_key(key)

    async def _probe(self, name: str) -> TidegateError | None:
        """What a provider says to a free question; None for a good answer."""
        provider = self._providers.get(name)
        if provider is None:
            return NoUpstreamKey()
        return await self._probe_with(provider, self._best_credential(provider))

    def _best_credential(self, provider: Provider) -> Credential:
        """A credential that is not known to be bad, if there is one."""
        known = self._health.snapshot.credentials
        good = (
            credential
            for credential in provider.credentials
            if not known.get(credential_key(provider.name, credential.name), credential_state.HEALTHY).is_disabled
        )
        return next(good, provider.credentials[0])

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


def _is_out_of_reach(error: TidegateError | None) -> bool:
    """Whether not even an error came back; whoever says anything, a call may try."""
    return isinstance(error, ConnectionFailed | UpstreamTimeout)


def _target(name: str) -> Target:
    provider, _, model = name.partition("/")
    return Target(provider, model)
