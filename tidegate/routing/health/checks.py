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
from tidegate.routing.health.circuit_breaker import PROBE_SECONDS, Circuit
from tidegate.routing.health.credential_state import Standing
from tidegate.routing.health.registry import Board

PATIENCE = 2.0
"""Seconds that a probe may take."""
SILENCE = 5.0
"""Seconds without a word from a target that owes answers, after which it is looked at."""
OWED = 3
"""Answers that it must owe, in one process: a server that does one thing at a time is busy, not dead."""
SILENT_LOOKS = 2
"""Probes in a row that a silent target leaves unanswered until it counts as down."""
KEY_SECONDS = 10.0
"""Between two looks at a refused key."""
_log = structlog.get_logger("upstream")

_SHORTEST = 0.9
"""Seconds between two looks of the whole fleet at one target."""


class Probing:
    """Use it between `start` and `close`."""

    def __init__(self, board: Board, providers: Mapping[str, Provider], *, clock: Clock, random: Random) -> None:
        self._board = board
        self._providers = providers
        self._clock = clock
        self._random = random
        self._unheard: dict[str, int] = {}
        """By target: probes in a row that were not answered."""
        self._looking: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to look."""
        self._looking = asyncio.create_task(self._keep_looking(), name="upstream-probing")

    async def close(self) -> None:
        """Stop."""
        if self._looking is not None:
            self._looking.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._looking

    async def look(self) -> None:
        """Look once at everything that is due."""
        await self._board.keep_in_step()
        standings = self._board.standings
        down = [name for name, state in standings.breakers.items() if state.circuit is Circuit.OPEN]
        refused = [key for key, state in standings.credentials.items() if state.standing is Standing.INVALID]
        await asyncio.gather(
            *(self._look_at_target(_target(name)) for name in down),
            *(self._look_at_key(key) for key in refused),
            *(self._look_at_silence(target) for target in self._silent()),
        )

    async def _keep_looking(self) -> None:
        while True:
            await asyncio.sleep(self._random.uniform(*PROBE_SECONDS))
            try:
                await self.look()
            except Exception:  # noqa: BLE001  # whatever it was: who stops looking, never closes a breaker again
                _log.exception("a look at the upstream failed")

    def _silent(self) -> list[Target]:
        now, standings = self._clock.monotonic(), self._board.standings
        silent = [
            traffic.target
            for traffic in self._board.all_traffic()
            if traffic.unanswered >= OWED and now - traffic.heard_at > SILENCE
            if traffic.target.name not in standings.breakers
        ]
        names = {target.name for target in silent}
        self._unheard = {name: count for name, count in self._unheard.items() if name in names}
        return silent

    async def _look_at_target(self, target: Target) -> None:
        if not await self._board.claim(f"probe {target.name}", _SHORTEST):
            return
        if not _is_out_of_reach(await self._probe(target.provider)):
            self._board.probed(target)

    async def _look_at_silence(self, target: Target) -> None:
        # an answer may just take its time: looks are few, until one is not answered
        pause = _SHORTEST if target.name in self._unheard else SILENCE / 2
        if not await self._board.claim(f"probe {target.name}", pause, fleet_seconds=_SHORTEST):
            return
        error = await self._probe(target.provider)
        if error is None or not _is_out_of_reach(error):
            self._unheard.pop(target.name, None)
            return
        self._unheard[target.name] = self._unheard.get(target.name, 0) + 1
        if self._unheard[target.name] >= SILENT_LOOKS:
            self._board.silent(target, error)

    async def _look_at_key(self, key: str) -> None:
        if not await self._board.claim(f"probe {key}", KEY_SECONDS):
            return
        name, _, credential_name = key.partition("/")
        provider = self._providers.get(name)
        for credential in provider.credentials if provider else ():
            if credential.name == credential_name and await self._ask(provider, credential) is None:
                self._board.key_is_good(key)

    async def _probe(self, name: str) -> TidegateError | None:
        """What a provider says to a free question; None for a good answer."""
        provider = self._providers.get(name)
        if provider is None:
            return NoUpstreamKey()
        return await self._ask(provider, self._best(provider))

    def _best(self, provider: Provider) -> Credential:
        """A credential that is not known to be bad, if there is one."""
        known = self._board.standings.credentials
        good = (
            credential
            for credential in provider.credentials
            if not known.get(credential_key(provider.name, credential.name), credential_state.HEALTHY).taken_out
        )
        return next(good, provider.credentials[0])

    async def _ask(self, provider: Provider | None, credential: Credential) -> TidegateError | None:
        if provider is None:
            return NoUpstreamKey()
        try:
            async with asyncio.timeout(PATIENCE):
                await provider.probe(credential)
        except TimeoutError:
            return FirstByteTimeout(f"The upstream did not answer a free probe within {PATIENCE:g} s.")
        except TidegateError as error:
            return error
        return None


def _is_out_of_reach(error: TidegateError | None) -> bool:
    """Whether not even an error came back; whoever says anything, a call may try."""
    return isinstance(error, ConnectionFailed | UpstreamTimeout)


def _target(name: str) -> Target:
    provider, _, model = name.partition("/")
    return Target(provider, model)
