"""Who calls: API keys resolved from memory, kept fresh in the background, changes heard within a second."""

import asyncio
from collections import OrderedDict
from typing import TypeVar

import structlog

from tidegate.auth import key_format
from tidegate.auth.key_store import STALE_SECONDS, KeyStatus, KeyStore
from tidegate.core.clock import Clock
from tidegate.core.errors import (
    AdminKeyNotAllowed,
    AdminKeyRequired,
    ExpiredApiKey,
    InvalidApiKey,
    MissingApiKey,
    RedisUnavailable,
    RevokedApiKey,
    StoreError,
)
from tidegate.core.values import Caller

_LOOK_SECONDS = 0.25
_LOOK_WITHOUT_REDIS_SECONDS = 1.0
_RETRY_SECONDS = 1.0
_Value = TypeVar("_Value")
_log = structlog.get_logger("keys")


class ApiKeyCache:
    """One process's memory of the keys. Use it between `start` and `close`.

    A request waits for SQL only when its key was never seen here; a key that was goes on being served
    while PostgreSQL, Redis or both are away. Three things make the memory be read anew, in one query:

    - the epoch in Redis moved: some key or project changed;
    - Redis does not answer, so that nobody could tell: once a second;
    - STALE_SECONDS have passed, in case a change could not be announced.
    """

    def __init__(self, store: KeyStore, clock: Clock, *, size: int = 10_000) -> None:
        """`size` bounds the keys remembered, and apart from them the unknown ones refused."""
        self._store = store
        self._clock = clock
        self._size = size
        self._statuses: OrderedDict[bytes, KeyStatus] = OrderedDict()
        self._unknown_digests: OrderedDict[bytes, None] = OrderedDict()
        self._lookups: dict[bytes, asyncio.Task[KeyStatus | None]] = {}
        self._refreshes = 0
        self._refreshed_at = clock.monotonic()
        self._epoch: int | None = None
        self._failing = False
        self._watcher: asyncio.Task[None] | None = None

    def __repr__(self) -> str:
        known, unknown, lookups = len(self._statuses), len(self._unknown_digests), len(self._lookups)
        return f"<ApiKeyCache: {known} known, {unknown} unknown, {lookups} being looked up>"

    async def start(self) -> None:
        """Begin to watch for changes; those made from now on are noticed."""
        await self._look_and_tell()
        self._watcher = asyncio.create_task(self._watch(), name="keys-watch")

    async def close(self) -> None:
        """Stop watching; lookups under way are dropped."""
        tasks = [task for task in (self._watcher, *self._lookups.values()) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def cached(self, token: str) -> Caller | None:
        """The caller, if the key is in memory and good; None says nothing, then ask `authenticate`."""
        digest = key_format.digest(token)
        standing = self._statuses.get(digest)
        if standing is None or standing.revoked or self._is_expired(standing.caller):
            return None
        self._statuses.move_to_end(digest)
        return standing.caller

    async def caller(self, authorization: str) -> Caller:
        """The caller named by an `Authorization` header. Raises MissingApiKey, AdminKeyOnly, and as `authenticate`."""
        caller = await self._authenticate_header(authorization)
        if caller.admin:
            raise AdminKeyNotAllowed
        return caller

    async def admin(self, authorization: str) -> Caller:
        """The same for who administers the gateway. Raises MissingApiKey, NotAdmin, and as `authenticate` does."""
        caller = await self._authenticate_header(authorization)
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
        """The caller behind a key.

        Raises InvalidApiKey, ExpiredApiKey or RevokedApiKey; and PostgresUnavailable, never a refusal,
        when the key was not seen before and cannot be looked up now.
        """
        digest = key_format.parse(token)
        if digest is None or digest in self._unknown_digests:
            raise InvalidApiKey
        return await self._valid_caller(digest)

    async def caller_of_key(self, key_id: str) -> Caller:
        """The caller whose key has this id, for work that was taken in before. Raises as `authenticate` does."""
        digest = await self._store.digest_of(key_id)
        if digest is None:
            raise InvalidApiKey
        return await self._valid_caller(digest)

    async def _valid_caller(self, digest: bytes) -> Caller:
        standing = self._statuses.get(digest) or await self._look_up_once(digest)
        if standing is None:
            raise InvalidApiKey
        if standing.revoked:
            raise RevokedApiKey
        if self._is_expired(standing.caller):
            raise ExpiredApiKey
        return standing.caller

    def _is_expired(self, caller: Caller) -> bool:
        return caller.expires_at is not None and caller.expires_at <= self._clock.now()

    async def _look_up_once(self, digest: bytes) -> KeyStatus | None:
        """Callers with the same key share one query; one of them hanging up does not stop it."""
        lookup = self._lookups.get(digest)
        if lookup is None:
            lookup = asyncio.create_task(self._look_up(digest), name="keys-look-up")
            self._lookups[digest] = lookup
            lookup.add_done_callback(lambda done: self._forget_lookup(digest, done))
        return await asyncio.shield(lookup)

    def _forget_lookup(self, digest: bytes, lookup: "asyncio.Task[KeyStatus | None]") -> None:
        del self._lookups[digest]
        if not lookup.cancelled():
            lookup.exception()  # its waiters may all be gone; asyncio complains of errors nobody looked at

    async def _look_up(self, digest: bytes) -> KeyStatus | None:
        while True:
            readings = self._refreshes
            standing = (await self._store.read_statuses([digest])).get(digest)
            # a key that changed while the answer was on its way has been read over already: ask again
            if readings == self._refreshes:
                break
        if standing is None:
            _remember(self._unknown_digests, digest, None, self._size)
        else:
            _remember(self._statuses, digest, standing, self._size)
        return standing

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(_RETRY_SECONDS if self._failing else _LOOK_SECONDS)
            await self._look_and_tell()

    async def _look_and_tell(self) -> None:
        """Look once. Logs when looking begins to fail, and when it works again."""
        try:
            await self._look()
        except StoreError as error:
            if not self._failing:
                _log.warning("keys not refreshed, going on with those known", error=error.name, detail=error.message)
            self._failing = True
        except Exception:  # noqa: BLE001  # whatever a query throws: without a watcher, revoked keys would live on
            _log.exception("keys not refreshed, going on with those known")
            self._failing = True
        else:
            if self._failing:
                _log.info("keys are refreshed again")
            self._failing = False

    async def _look(self) -> None:
        try:
            epoch = await self._store.epoch()
        except RedisUnavailable:
            epoch = None
        moved = epoch is not None and epoch != self._epoch
        patience = _LOOK_WITHOUT_REDIS_SECONDS if epoch is None else STALE_SECONDS
        if moved or self._clock.monotonic() - self._refreshed_at >= patience:
            await self._read_again()
            self._epoch = epoch

    async def _read_again(self) -> None:
        self._refreshes += 1
        self._unknown_digests.clear()
        digests = list(self._statuses)
        found = await self._store.read_statuses(digests) if digests else {}
        self._refreshed_at = self._clock.monotonic()
        for digest in digests:
            if digest in found:
                self._statuses[digest] = found[digest]
            else:
                self._statuses.pop(digest, None)


def _remember(memory: OrderedDict[bytes, _Value], digest: bytes, value: _Value, size: int) -> None:
    memory[digest] = value
    if len(memory) > size:
        memory.popitem(last=False)
