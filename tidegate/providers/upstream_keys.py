"""Turns the keys of providers: a new key is probed by a free request, and only then used.

Calls in flight end with the old key. A key that the provider refuses is not used.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from enum import Enum

from pydantic import SecretStr

from tidegate.core.clock import Clock
from tidegate.core.errors import ModelNotFound, TidegateError, UpstreamForbidden, UpstreamNotFound
from tidegate.providers.base import Provider

_PROBE_SECONDS = 10.0
_JUST_TURNED_SECONDS = 60.0
"""For so long a refused call may have been sent with the key before."""

_NO_LIST = "missing scopes"


class KeyVerdict(Enum):
    """What a probe says of a key."""

    GOOD = "good"
    REFUSED = "refused"
    UNKNOWN = "unknown"
    """The provider could not be reached, or had troubles of its own."""


async def verdict_on(provider: Provider, credential: str, key: SecretStr) -> KeyVerdict:
    """Probe a key by a free request; return what the provider says of it."""
    try:
        async with asyncio.timeout(_PROBE_SECONDS):
            await provider.probe_key(credential, key)
    except TimeoutError:
        return KeyVerdict.UNKNOWN
    except TidegateError as error:
        return verdict_of(error)
    return KeyVerdict.GOOD


class UpstreamKeys:
    """The keys of one process's providers."""

    def __init__(
        self,
        providers: Mapping[str, Provider],
        clock: Clock,
        *,
        on_turned: Callable[[str, str], None] = lambda _, __: None,
    ) -> None:
        """`on_turned` gets the provider's and the credential's name."""
        self._providers = providers
        self._clock = clock
        self._on_turned = on_turned
        self._turned_at: dict[tuple[str, str], float] = {}
        self._refreshers: dict[tuple[str, str], Callable[[], Awaitable[bool]]] = {}
        for name, provider in providers.items():
            provider.on_refused_key = self._renewal_of(name)

    def __repr__(self) -> str:
        return f"<UpstreamKeys: {len(self._turned_at)} have turned>"

    def set_refresher(self, provider: str, credential: str, refresh: Callable[[], Awaitable[bool]]) -> None:
        """Have a refused key read again by `refresh`, which returns whether there is another one."""
        self._refreshers[provider, credential] = refresh

    async def offer(self, provider: str, credential: str, key: SecretStr) -> KeyVerdict:
        """Probe a new key, and use it if it is good."""
        verdict = await verdict_on(self._providers[provider], credential, key)
        if verdict is KeyVerdict.GOOD:
            self._providers[provider].use_key(credential, key)
            self._turned_at[provider, credential] = self._clock.monotonic()
            self._on_turned(provider, credential)
        return verdict

    def _renewal_of(self, provider: str) -> Callable[[str], Awaitable[bool]]:
        async def renew(credential: str) -> bool:
            """Return whether a call that was refused for its key may be sent again with another one."""
            turned_at = self._turned_at.get((provider, credential), float("-inf"))
            if self._clock.monotonic() - turned_at < _JUST_TURNED_SECONDS:
                return True
            refresh = self._refreshers.get((provider, credential))
            return refresh is not None and await refresh() and (provider, credential) in self._turned_at

        return renew


def verdict_of(error: TidegateError) -> KeyVerdict:
    """Return what the error of a probe says of the key."""
    if isinstance(error, UpstreamNotFound | ModelNotFound):
        return KeyVerdict.GOOD  # a server without a list of models cannot be asked
    if isinstance(error, UpstreamForbidden) and error.upstream_detail is not None:
        is_known = _NO_LIST in error.upstream_detail.message.lower()  # the key may answer calls, and not list models
        return KeyVerdict.GOOD if is_known else KeyVerdict.REFUSED
    return KeyVerdict.UNKNOWN if error.retryable else KeyVerdict.REFUSED
