"""How long to wait until a provider has noticed a hang-up: each process learns which of them show it.

Most servers close a connection as soon as its other half is closed. Some proxies pass only a full close on; these would
be waited for in vain, while the provider writes on and charges. Used by `UpstreamCall`.
"""

from collections import deque

_FIRST_SECONDS = 0.5
"""For a provider of which nothing is known: more than a round trip around the world."""
_KNOWN_SECONDS = 5.0
"""For a provider that has shown it before: now it is slow. What it sends meanwhile is read and counted."""
_IGNORES_SECONDS = 600.0
"""For which a provider that did not show it is not waited for."""
_USUAL_DELAY = 0.05
"""Seconds; servers are late by less without being starved."""
_REMEMBERED = 100
"""The latest hang-ups of a provider, of which the fastest is the usual one."""


class HangUps:
    """Which providers close their half of a connection when this side has closed its own."""

    def __init__(self) -> None:
        """Nothing is known."""
        self._shows: set[str] = set()
        self._ignores_until: dict[str, float] = {}
        self._latest: dict[str, deque[float]] = {}

    def patience(self, provider: str, now: float) -> float:
        """Return the seconds to wait for a provider; 0: do not wait. `now` is monotonic."""
        if now < self._ignores_until.get(provider, now):
            return 0.0
        return _KNOWN_SECONDS if provider in self._shows else _FIRST_SECONDS

    def note(self, provider: str, now: float, *, shown: bool) -> None:
        """Note whether the provider closed its half in time."""
        if shown:
            self._shows.add(provider)
            self._ignores_until.pop(provider, None)
        else:
            self._shows.discard(provider)
            self._ignores_until[provider] = now + _IGNORES_SECONDS

    def delay(self, provider: str, seconds: float) -> float:
        """Return by how much a hang-up that took so long was later than usual, and remember it; 0 for a little.

        Of the first one nothing tells the distance from the delay: half of it counts as late.
        """
        latest = self._latest.setdefault(provider, deque(maxlen=_REMEMBERED))
        usual = min(latest, default=seconds / 2)
        latest.append(seconds)
        return seconds - usual if seconds - usual > _USUAL_DELAY else 0.0
