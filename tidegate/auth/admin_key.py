"""The digest of the admin key that the configuration gives. Only its digest is kept.

Each process reads it at its start, so replicas need not agree on a row in the database, and a new key is valid with the
next start. Called by the assembly and by `tidegate serve`.
"""

from pydantic import SecretStr

from tidegate.auth import key_format
from tidegate.core.config import ConfigError
from tidegate.core.config.secret_reference import ReferredSecret
from tidegate.core.values import Caller

MIN_LENGTH = 32
"""The fewest characters: 32 of hexadecimal carry 128 bits."""

ADMIN_CALLER = Caller(key_id="key_configured", project="", name="auth.admin_key", admin=True)
"""Who administers with it."""


def admin_digest(key: SecretStr | None) -> bytes | None:
    """Return the digest of the configured admin key; None where none is configured.

    Raises ConfigError if the key could be guessed.
    """
    if key is None:
        return None
    text = key.get_secret_value()
    if len(text) < MIN_LENGTH or not text.isascii() or " " in text:
        place = key.reference if isinstance(key, ReferredSecret) else "auth.admin_key"
        raise ConfigError(
            f"The admin key {place} cannot be used: it needs at least {MIN_LENGTH} ASCII characters without "
            "spaces. Make one with: openssl rand -hex 32"
        )
    return key_format.digest(text)
