"""The objects of `tidegate.auth`: API keys."""

import os

from tidegate.assembly.base import Base
from tidegate.auth.admin_key import read_admin_digest
from tidegate.auth.key_cache import ApiKeyCache
from tidegate.auth.key_store import KeyStore


class AuthParts:
    """The API keys of one process."""

    def __init__(self, base: Base) -> None:
        """Use `make_auth`."""
        self.key_store = KeyStore(base.postgres, base.redis, clock=base.clock, prefix=base.prefix)
        admin_digest = read_admin_digest(base.settings.auth.admin_key, os.environ)
        self.keys = ApiKeyCache(self.key_store, base.clock, admin_digest=admin_digest)


async def make_auth(base: Base) -> AuthParts:
    """Return the parts, started."""
    parts = AuthParts(base)
    await base.start(parts.keys)
    return parts
