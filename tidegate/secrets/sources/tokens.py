"""Tokens that a platform gives to this machine: read once, used until shortly before they expire."""

import threading
from collections.abc import Callable

import msgspec

from tidegate.core.clock import Clock
from tidegate.core.scrub import remember_secret

_MARGIN_SECONDS = 120.0
"""Before its end a token is replaced."""


class Token(msgspec.Struct, frozen=True):
    """A bearer token."""

    text: str
    seconds: float
    """For which it is valid, from now."""

    def __repr__(self) -> str:
        return f"Token({self.seconds:g} s)"


class TokenCache:
    """The token of one service, for any thread."""

    def __init__(self, name: str, read: Callable[[], Token], clock: Clock) -> None:
        """`name` is the service's; `read` gets a new token. It raises SecretError."""
        self._name = name
        self._read = read
        self._clock = clock
        self._token = ""
        self._ends_at = 0.0
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        return f"<TokenCache: {'a token' if self._token else 'none'}>"

    def token(self) -> str:
        """Return a token that is valid. Raises SecretError."""
        with self._lock:
            return self._valid_token()

    def _valid_token(self) -> str:
        if not self._token or self._clock.monotonic() >= self._ends_at:
            token = self._read()
            self._token = token.text
            remember_secret(f"the token of {self._name}", token.text)
            self._ends_at = self._clock.monotonic() + token.seconds - _MARGIN_SECONDS
        return self._token

    def forget(self) -> None:
        """Read a new one the next time: the service refused this one."""
        self._token = ""
