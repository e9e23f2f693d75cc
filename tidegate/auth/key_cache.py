"""The API-key cache: resolve the caller of a request from memory, and refresh in the background.

The web layer and the pipeline identify every caller here. A change of a key takes effect within a second.
"""

import asyncio
import hmac
from collections import OrderedDict
from typing import TypeVar

from tidegate.auth import key_format
from tidegate.auth.admin_key import ADMIN_CALLER
from tidegate.auth.key_store import STALE_SECONDS, KeyStatus, KeyStore
from tidegate.core.clock import Clock
from tidegate.core.errors import (
    AdminKeyNotAllowed,
    AdminKeyRequired,
    ExpiredApiKey,
    InvalidApiKey,
    MissingApiKey,
    ReadOnlyKey,
    RedisUnavailable,
    ReplacedApiKey,
    RevokedApiKey,
    SeveralApiKeys,
)
from tidegate.core.periodic import PeriodicTask
from tidegate.core.values import Caller

_CHECK_SECONDS = 0.25
_REFRESH_WITHOUT_REDIS_SECONDS = 1.0
_RETRY_SECONDS = 1.0
_Value = TypeVar("_Value")


class ApiKeyCache:
    """One process's cache of API keys. Use it between `start` and `close`.

    A request waits for a SQL query only if its key is not in the cache. A cached key is served while PostgreSQL, Redis
    or both are away. The whole cache is refreshed, in one query,

    - when the epoch in Redis has moved, because a key or a project has changed;
    - once a second while Redis does not answer, because changes cannot be noticed then;
    - when STALE_SECONDS have passed, in case a change was not announced.
    """

    def __init__(
        self,
        store: KeyStore,
        clock: Clock,
        *,
        sent: dict[bytes, None] | None = None,
        admin_digest: bytes | None = None,
        size: int = 10_000,
    ) -> None:
        """`admin_digest` is that of the configured admin key. `sent` receives the digest of each key that is used.

        `size` is the most cached keys, and likewise the most unknown keys that are remembered.
        """
        self._sent = {} if sent is None else sent
        self._store = store
        self._clock = clock
        self._admin_digest = admin_digest
        self._size = size
        self._statuses: OrderedDict[bytes, KeyStatus] = OrderedDict()
        self._unknown_digests: OrderedDict[bytes, None] = OrderedDict()
        self._lookups: dict[bytes, asyncio.Task[KeyStatus | None]] = {}
        self._refreshes = 0
        self._refreshed_at = clock.monotonic()
        self._epoch: int | None = None
        # a round that fails leaves the cache as it is: keys are served from it, and the next round tries again
        self._refresh_task = PeriodicTask("api-key-refresh", self._refresh_if_changed, every=_pause, wait_first=True)

    def __repr__(self) -> str:
        known, unknown, lookups = len(self._statuses), len(self._unknown_digests), len(self._lookups)
        return f"<ApiKeyCache: {known} known, {unknown} unknown, {lookups} being looked up>"

    async def start(self) -> None:
        """Start to refresh; changes made from now on are noticed."""
        await self._refresh_task.run_round()
        await self._refresh_task.start()

    async def close(self) -> None:
        """Stop to refresh, and cancel lookups in progress."""
        await self._refresh_task.close()
        lookups = list(self._lookups.values())
        for lookup in lookups:
            lookup.cancel()
        await asyncio.gather(*lookups, return_exceptions=True)

    def cached(self, token: str) -> Caller | None:
        """Return the caller if the key is in the cache and valid. After None, `authenticate` decides."""
        digest = key_format.digest(token)
        status = self._statuses.get(digest)
        if status is None or status.revoked:
            return None
        caller = status.caller
        if caller.expires_at is not None and self._is_expired(caller):
            return None
        self._statuses.move_to_end(digest)
        self._sent[digest] = None
        return caller

    async def caller(self, authorization: str) -> Caller:
        """Return the caller of a request. Raises MissingApiKey, AdminKeyNotAllowed, and as `authenticate`."""
        caller = self.cached(authorization[7:]) if authorization.startswith("Bearer ") else None
        if caller is None:
            caller = await self._authenticate_header(authorization)
        if caller.admin:
            raise AdminKeyNotAllowed
        return caller

    async def admin(self, authorization: str) -> Caller:
        """Return the caller of an admin request that may change something.

        Raises MissingApiKey, AdminKeyRequired, ReadOnlyKey, and as `authenticate`.
        """
        caller = await self.admin_reader(authorization)
        if caller.read_only:
            raise ReadOnlyKey
        return caller

    async def admin_reader(self, authorization: str) -> Caller:
        """Return the caller of an admin request that only reads.

        Raises MissingApiKey, AdminKeyRequired, and as `authenticate`.
        """
        caller = await self._authenticate_header(authorization)
        if not caller.admin:
            raise AdminKeyRequired
        return caller

    async def admin_of_secret(self, digest: bytes) -> Caller:
        """Return the admin whose secret has this digest, for a session.

        Raises AdminKeyRequired, and as `authenticate`.
        """
        if self._admin_digest is not None and hmac.compare_digest(digest, self._admin_digest):
            return ADMIN_CALLER
        caller = await self._valid_caller(digest)
        if not caller.admin:
            raise AdminKeyRequired
        return caller

    async def _authenticate_header(self, authorization: str) -> Caller:
        kind, _, token = authorization.partition(" ")
        token = token.strip()
        if kind.lower() != "bearer" or not token:
            raise MissingApiKey
        return self.cached(token) or await self.authenticate(token)

    async def authenticate(self, token: str) -> Caller:
        """Return the caller of a key.

        Raises InvalidApiKey, SeveralApiKeys, ExpiredApiKey, ReplacedApiKey or RevokedApiKey. If the key is not in the
        cache and PostgreSQL is away, it raises PostgresUnavailable: a key is never rejected unchecked.
        """
        if self._admin_digest is not None and hmac.compare_digest(key_format.digest(token), self._admin_digest):
            return ADMIN_CALLER
        digest = key_format.parse(token)
        if digest is None or digest in self._unknown_digests:
            raise SeveralApiKeys if "," in token else InvalidApiKey
        try:
            caller = await self._valid_caller(digest)
        except ReplacedApiKey:
            self._sent[digest] = None  # operators look for clients that still send it
            raise
        self._sent[digest] = None
        return caller

    async def caller_of_key(self, key_id: str) -> Caller:
        """Return the caller whose key has this id, for a background request. Raises as `authenticate` does."""
        digest = await self._store.digest_of(key_id)
        if digest is None:
            raise InvalidApiKey
        return await self._valid_caller(digest)

    async def _valid_caller(self, digest: bytes) -> Caller:
        status = self._statuses.get(digest) or await self._look_up_once(digest)
        if status is None:
            raise InvalidApiKey
        if status.revoked:
            raise RevokedApiKey
        if self._is_expired(status.caller):
            raise ReplacedApiKey if status.caller.expires_at == status.stops_at else ExpiredApiKey
        return status.caller

    def _is_expired(self, caller: Caller) -> bool:
        return caller.expires_at is not None and caller.expires_at <= self._clock.now()

    async def _look_up_once(self, digest: bytes) -> KeyStatus | None:
        """Look a key up. Requests with the same key share one query, and a disconnect of one does not cancel it."""
        lookup = self._lookups.get(digest)
        if lookup is None:
            lookup = asyncio.create_task(self._look_up(digest), name="keys-look-up")
            self._lookups[digest] = lookup
            lookup.add_done_callback(lambda lookup: self._forget_lookup(digest, lookup))
        return await asyncio.shield(lookup)

    def _forget_lookup(self, digest: bytes, lookup: "asyncio.Task[KeyStatus | None]") -> None:
        del self._lookups[digest]
        if not lookup.cancelled():
            lookup.exception()  # all its requests may be gone, and asyncio logs errors that were never retrieved

    async def _look_up(self, digest: bytes) -> KeyStatus | None:
        while True:
            refreshes = self._refreshes
            status = (await self._store.read_statuses([digest])).get(digest)
            # a refresh during the query may have missed this key: read it again
            if refreshes == self._refreshes:
                break
        if status is None:
            _remember(self._unknown_digests, digest, None, self._size)
        else:
            _remember(self._statuses, digest, status, self._size)
        return status

    async def _refresh_if_changed(self) -> None:
        try:
            epoch = await self._store.epoch()
        except RedisUnavailable:
            epoch = None
        moved = epoch is not None and epoch != self._epoch
        max_age = _REFRESH_WITHOUT_REDIS_SECONDS if epoch is None else STALE_SECONDS
        if moved or self._clock.monotonic() - self._refreshed_at >= max_age:
            await self._refresh()
            self._epoch = epoch

    async def _refresh(self) -> None:
        self._refreshes += 1
        self._unknown_digests.clear()
        digests = list(self._statuses)
        statuses = await self._store.read_statuses(digests) if digests else {}
        self._refreshed_at = self._clock.monotonic()
        for digest in digests:
            if digest in statuses:
                self._statuses[digest] = statuses[digest]
            else:
                self._statuses.pop(digest, None)


def _pause(failures: int) -> float:
    return _RETRY_SECONDS if failures else _CHECK_SECONDS


def _remember(memory: OrderedDict[bytes, _Value], digest: bytes, value: _Value, size: int) -> None:
    memory[digest] = value
    if len(memory) > size:
        memory.popitem(last=False)
