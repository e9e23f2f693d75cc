"""Sessions of the dashboard: opened by an admin key, and over as soon as that key's secret is no longer valid.

A session is a random token in a cookie. PostgreSQL has only its digest. Each process remembers sessions for a second,
and for as long as PostgreSQL is away.
"""

import base64
import hashlib
import ipaddress
import os
from collections import OrderedDict

import msgspec

from tidegate.auth import key_format
from tidegate.auth.key_cache import ApiKeyCache
from tidegate.auth.session_store import TRY_SECONDS, SessionStore, StoredSession
from tidegate.core.clock import Clock
from tidegate.core.errors import AdminKeyRequired, CallerError, PostgresUnavailable, SessionEnded, TooManyLogins
from tidegate.core.values import Caller

FRESH_SECONDS = 1.0
"""For how long a process trusts what it read of a session: a logout elsewhere is noticed after that."""
_TOKEN_BYTES = 32
_MAX_TOKEN_LENGTH = 100
_MAX_REMEMBERED = 1000
_IPV6_NETWORK_BITS = 64


class AdminSession(msgspec.Struct, frozen=True, kw_only=True):
    """A session that is valid."""

    caller: Caller
    expires_at: float
    """Unix seconds."""


class OpenedSession(msgspec.Struct, frozen=True, kw_only=True):
    """A session that was just opened. Its token is stored nowhere else."""

    token: str
    session: AdminSession

    def __repr__(self) -> str:
        return f"OpenedSession({self.session.caller.key_id})"


class AdminSessions:
    """Opens, finds and ends sessions."""

    def __init__(
        self,
        store: SessionStore,
        api_keys: ApiKeyCache,
        clock: Clock,
        *,
        max_seconds: float,
        random_bytes: key_format.ByteSource = os.urandom,
    ) -> None:
        """`max_seconds` is how long a session lasts at most."""
        self._store = store
        self._api_keys = api_keys
        self._clock = clock
        self._max_seconds = max_seconds
        self._random_bytes = random_bytes
        self._remembered: OrderedDict[bytes, tuple[StoredSession, float]] = OrderedDict()

    def __repr__(self) -> str:
        return f"<AdminSessions: {len(self._remembered)} remembered>"

    async def open(self, key: str, address: str) -> OpenedSession:
        """Open a session by an admin key, sent from an address.

        Raises TooManyLogins, AdminKeyRequired, what ApiKeyCache.authenticate raises, and PostgresUnavailable. A wrong
        key counts as a try; tries are counted in PostgreSQL, over all processes.
        """
        number = await self._store.begin_try(network_of(address), self._clock.now())
        if number is None:
            raise TooManyLogins(retry_after=TRY_SECONDS)
        caller = await self._api_keys.authenticate(key)
        if not caller.admin:
            raise AdminKeyRequired
        now = self._clock.now()
        expires_at = min(now + self._max_seconds, caller.expires_at or float("inf"))
        token = base64.urlsafe_b64encode(self._random_bytes(_TOKEN_BYTES)).rstrip(b"=").decode()
        stored = StoredSession(key_hash=key_format.digest(key), expires_at=expires_at)
        await self._store.open(_digest(token), stored, now)
        await self._store.excuse_try(number)
        return OpenedSession(token=token, session=AdminSession(caller=caller, expires_at=expires_at))

    async def find(self, token: str) -> AdminSession:
        """Return the session of a token.

        Raises SessionEnded, and PostgresUnavailable for a session that this process does not know yet.
        """
        stored = await self._read(_digest(token)) if 0 < len(token) <= _MAX_TOKEN_LENGTH else None
        if stored is None or stored.expires_at <= self._clock.now():
            raise SessionEnded
        try:
            caller = await self._api_keys.admin_of_secret(stored.key_hash)
        except CallerError as error:
            raise SessionEnded from error
        return AdminSession(caller=caller, expires_at=stored.expires_at)

    async def close(self, token: str) -> None:
        """End a session. Raises PostgresUnavailable; then it is not ended."""
        digest = _digest(token)
        await self._store.close(digest)
        self._remembered.pop(digest, None)

    async def _read(self, digest: bytes) -> StoredSession | None:
        now = self._clock.monotonic()
        known = self._remembered.get(digest)
        if known is not None and now - known[1] < FRESH_SECONDS:
            return known[0]
        try:
            stored = await self._store.find(digest)
        except PostgresUnavailable:
            if known is None:
                raise
            return known[0]
        if stored is None:
            self._remembered.pop(digest, None)
            return None
        self._remembered[digest] = (stored, now)
        self._remembered.move_to_end(digest)
        if len(self._remembered) > _MAX_REMEMBERED:
            self._remembered.popitem(last=False)
        return stored


def network_of(address: str) -> str:
    """Return an address as tries are counted: of IPv6 only the network, as one client has all of its addresses."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return address[:_MAX_TOKEN_LENGTH]
    if found.version == 4:
        return str(found)
    return str(ipaddress.ip_network((found, _IPV6_NETWORK_BITS), strict=False))


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode(errors="replace")).digest()
