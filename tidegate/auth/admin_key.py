"""Reads the admin key that the configuration gives. Only its digest is kept.

Each process reads it at its start, so replicas need not agree on a row in the database, and a new key is valid with the
next start. Called by the assembly and by `tidegate serve`.
"""

from collections.abc import Mapping

from tidegate.auth import key_format
from tidegate.core.config import ConfigError
from tidegate.core.config.secret_reference import read_secret
from tidegate.core.values import Caller

MIN_LENGTH = 32
"""The fewest characters: 32 of hexadecimal carry 128 bits."""

ADMIN_CALLER = Caller(key_id="key_configured", project="", name="auth.admin_key", admin=True)
"""Who administers with it."""


def read_admin_digest(reference: str | None, environ: Mapping[str, str]) -> bytes | None:
    """Return the digest of the key at the place; None where no place is configured.

    Raises ConfigError if the key cannot be read, or could be guessed.
    """
    if reference is None:
        return None
    key = read_secret(reference, environ)
    if len(key) < MIN_LENGTH or not key.isascii() or " " in key:
        raise ConfigError(
            f"The admin key {reference} cannot be used: it needs at least {MIN_LENGTH} ASCII characters without "
            "spaces. Make one with: openssl rand -hex 32"
        )
    return key_format.digest(key)
