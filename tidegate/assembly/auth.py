"""The objects of `tidegate.auth`: API keys."""

from tidegate.assembly.base import Base
from tidegate.auth.admin_key import admin_digest
from tidegate.auth.key_cache import ApiKeyCache
from tidegate.auth.key_rotation import KeyRotation
from tidegate.auth.key_store import KeyStore
from tidegate.auth.key_uses import KeyUses


class AuthParts:
    """The API keys of one process."""

    def __init__(self, base: Base) -> None:
        """Use `make_auth`."""
        self.key_store = KeyStore(base.postgres, base.redis, clock=base.clock, prefix=base.prefix)
        self.rotation = KeyRotation(base.postgres, base.redis, self.key_store, clock=base.clock, prefix=base.prefix)
        self.uses = KeyUses(base.postgres, base.clock)
        digest = admin_digest(base.settings.auth.admin_key)
        self.keys = ApiKeyCache(self.key_store, base.clock, sent=self.uses.sent, admin_digest=digest)


async def make_auth(base: Base) -> AuthParts:
    """Return the parts, started."""
    parts = AuthParts(base)
    await base.start(parts.uses)
    await base.start(parts.keys)
    return parts
