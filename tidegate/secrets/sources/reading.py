"""What reading a secret returns."""

import hashlib
import hmac
from typing import Protocol

import msgspec

from tidegate.core.config.secret_reference import SecretReference

_FINGERPRINT_KEY = b"tidegate secret fingerprint, not a secret itself"
_FINGERPRINT_ROUNDS = 50_000
"""A short secret cannot be found by trying all from its fingerprint, at 20 ms for each."""


class SecretReading(msgspec.Struct, frozen=True):
    """A secret as its place holds it."""

    text: str
    version: str = ""
    """As the place names it; empty where it names none."""
    created_at: float | None = None
    """When this version was made, in Unix seconds; None where the place does not say."""

    def __repr__(self) -> str:
        return f"SecretReading(version={self.version!r})"


class SecretSource(Protocol):
    """Reads secrets of one kind of place."""

    def read(self, reference: SecretReference) -> SecretReading:
        """Return the secret. Raises SecretError."""
        ...


def fingerprint(text: str) -> str:
    """Return eight characters by which a secret is recognised, and from which it cannot be found."""
    digest = hashlib.pbkdf2_hmac("sha256", text.encode(), _FINGERPRINT_KEY, _FINGERPRINT_ROUNDS)
    return digest.hex()[:8]


def is_same(one: str, other: str) -> bool:
    """Return whether two secrets are equal, in a time that does not depend on where they differ."""
    return hmac.compare_digest(one.encode(), other.encode())
