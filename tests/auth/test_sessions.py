"""A session lasts as long as the secret that opened it, 12 hours at most, also while PostgreSQL is away."""

import pytest

from tidegate.auth.key_cache import ApiKeyCache
from tidegate.auth.key_format import digest
from tidegate.auth.key_rotation import KeyRotation
from tidegate.auth.key_store import KeyStore
from tidegate.auth.session_store import MAX_TRIES, SessionStore, StoredSession
from tidegate.auth.sessions import FRESH_SECONDS, AdminSessions, network_of
from tidegate.core.clock import ManualClock
from tidegate.core.errors import (
    AdminKeyRequired,
    InvalidApiKey,
    PostgresUnavailable,
    RevokedApiKey,
    SessionEnded,
    TooManyLogins,
)
from tidegate.storage.postgres import Postgres
from tidegate.storage.redis import RedisLink

HERE = "192.0.2.1"
BOOTSTRAP = "0123456789abcdef0123456789abcdef"


class LeavingStore(SessionStore):
    """PostgreSQL, until it leaves."""

    is_away = False

    async def find(self, token_hash: bytes) -> StoredSession | None:
        if self.is_away:
            raise PostgresUnavailable
        return await super().find(token_hash)

    async def close(self, token_hash: bytes) -> None:
        if self.is_away:
            raise PostgresUnavailable
        await super().close(token_hash)


class World:
    """Keys, sessions, and the time."""

    def __init__(self, postgres: Postgres, redis: RedisLink, prefix: str, clock: ManualClock) -> None:
        self.clock = clock
        self.keys = KeyStore(postgres, redis, clock=clock, prefix=prefix)
        self.rotation = KeyRotation(postgres, redis, self.keys, clock=clock, prefix=prefix)
        self.api_keys = ApiKeyCache(self.keys, clock, admin_digest=digest(BOOTSTRAP))
        self.store = LeavingStore(postgres)
        self.sessions = self.process()

    def process(self) -> AdminSessions:
        """Return the sessions as another process sees them."""
        return AdminSessions(self.store, self.api_keys, self.clock, max_seconds=12 * 3600)

    async def is_open(self, token: str, sessions: AdminSessions | None = None) -> bool:
        await self.api_keys.start()  # it looks for changes at once
        await self.api_keys.close()
        self.clock.advance(FRESH_SECONDS)
        try:
            await (sessions or self.sessions).find(token)
        except SessionEnded:
            return False
        return True


@pytest.fixture
def world(postgres: Postgres, redis_link: RedisLink, redis_prefix: str, clock: ManualClock) -> World:
    return World(postgres, redis_link, redis_prefix, clock)


async def opened(world: World, *, read_only: bool = False) -> tuple[str, str, str]:
    """Return a session's token, its key's id and secret."""
    made = await world.keys.create(project="ops", admin=True, read_only=read_only)
    session = await world.sessions.open(made.token, HERE)
    return session.token, made.record.id, made.token


async def test_a_session_is_its_key_and_ends_at_twelve_hours(world: World) -> None:
    token, key_id, _ = await opened(world, read_only=True)
    session = await world.sessions.find(token)
    assert (session.caller.key_id, session.caller.read_only) == (key_id, True)
    assert session.expires_at == world.clock.now() + 12 * 3600
    world.clock.advance(12 * 3600 - 2 * FRESH_SECONDS)
    assert await world.is_open(token)
    assert not await world.is_open(token)


async def test_a_session_ends_when_its_key_is_revoked(world: World) -> None:
    token, key_id, _ = await opened(world)
    await world.keys.revoke(key_id)
    assert not await world.is_open(token)


async def test_a_session_ends_when_its_secret_was_replaced(world: World) -> None:
    token, key_id, _ = await opened(world)
    await world.rotation.rotate(key_id, overlap=60)
    assert await world.is_open(token)
    await world.rotation.finish(key_id)
    assert not await world.is_open(token)


async def test_a_logout_is_noticed_by_every_process(world: World) -> None:
    token, *_ = await opened(world)
    other = world.process()
    assert await world.is_open(token, other)
    await world.sessions.close(token)
    assert not await world.is_open(token)
    assert not await world.is_open(token, other)


async def test_the_bootstrap_key_opens_a_session(world: World) -> None:
    session = await world.sessions.open(BOOTSTRAP, HERE)
    assert (await world.sessions.find(session.token)).caller.key_id == "key_configured"


@pytest.mark.parametrize("token", ["", "wrong", "x" * 10_000, "\N{SNOWMAN}", "'; DROP TABLE keys; --"])
async def test_an_invented_token_is_no_session(world: World, token: str) -> None:
    with pytest.raises(SessionEnded):
        await world.sessions.find(token)


async def test_a_session_goes_on_without_postgresql_where_it_is_known(world: World) -> None:
    token, *_ = await opened(world)
    await world.sessions.find(token)
    world.store.is_away = True
    world.clock.advance(FRESH_SECONDS)
    assert (await world.sessions.find(token)).caller.admin
    with pytest.raises(PostgresUnavailable):
        await world.process().find(token)
    with pytest.raises(PostgresUnavailable):
        await world.sessions.close(token)


async def test_neither_token_nor_secret_is_stored(world: World, postgres: Postgres) -> None:
    token, _, secret = await opened(world)
    async with postgres.connection() as connection:
        stored = str(await connection.fetch("SELECT * FROM dashboard_sessions"))
    assert token not in stored
    assert secret not in stored


async def test_wrong_keys_are_bounded_by_address_and_right_ones_are_not(world: World) -> None:
    caller = await world.keys.create(project="shop")
    revoked = await world.keys.create(project="ops", admin=True)
    await world.keys.revoke(revoked.record.id)
    for key, error in ((caller.token, AdminKeyRequired), (revoked.token, RevokedApiKey), *[("no", InvalidApiKey)] * 3):
        with pytest.raises(error):
            await world.sessions.open(key, HERE)
    admin = await world.keys.create(project="ops", admin=True)
    with pytest.raises(TooManyLogins):
        await world.sessions.open(admin.token, HERE)
    for _ in range(MAX_TRIES + 1):
        await world.sessions.open(admin.token, "192.0.2.2")
    world.clock.advance(61)
    await world.sessions.open(admin.token, HERE)


async def test_all_addresses_together_have_a_bound(world: World) -> None:
    errors = []
    for number in range(61):
        with pytest.raises((InvalidApiKey, TooManyLogins)) as raised:
            await world.sessions.open("no", f"192.0.2.{number}")
        errors.append(raised.type)
    assert errors == [InvalidApiKey] * 60 + [TooManyLogins]


@pytest.mark.parametrize(
    ("address", "network"),
    [("192.0.2.1", "192.0.2.1"), ("2001:db8::1", "2001:db8::/64"), ("unix", "unix"), ("", "")],
)
def test_one_client_has_one_address(address: str, network: str) -> None:
    assert network_of(address) == network
