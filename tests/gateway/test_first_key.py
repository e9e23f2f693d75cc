"""Without any key a gateway starts and refuses every call; an admin key by reference makes the first key."""

from collections.abc import AsyncIterator
from pathlib import Path

import psycopg
import pytest

from tests.harness import CHAT, GatewayProcess, Json, World
from tidegate.simulator import running
from tidegate.storage.embedded import StoreUrls

ADMIN_KEY = "0123456789abcdef0123456789abcdef"


@pytest.fixture
async def world(clean_stores: StoreUrls, redis_prefix: str, tmp_path: Path) -> AsyncIterator[World]:
    async with running() as upstream_url, World(clean_stores, redis_prefix, upstream_url, tmp_path) as world:
        with psycopg.connect(clean_stores.database_url, autocommit=True) as database:
            database.execute("DELETE FROM keys")
        yield world


async def made_key(world: World, gateway: GatewayProcess, admin_key: str) -> tuple[int, Json]:
    """Ask the admin API for a key."""
    headers = {"authorization": f"Bearer {admin_key}"}
    body = {"project": "shop"}
    async with world.http.post(f"{gateway.root}/admin/v1/keys", json=body, headers=headers) as response:
        return response.status, await response.json()


async def test_without_any_key_it_starts_and_refuses_every_call_and_logs_the_remedy(world: World) -> None:
    async with world.process("--host", "0.0.0.0") as gateway:
        assert (await gateway.call("/livez")).status == 200
        assert (await gateway.call("/readyz")).status == 200
        refused = await gateway.chat()
        assert (refused.status, refused.json["error"]["code"]) == (401, "invalid_api_key")
        assert (await made_key(world, gateway, ADMIN_KEY))[0] == 401
        assert "there is no API key: every call is refused with 401" in gateway.log
        assert "tidegate keys create" in gateway.log


@pytest.mark.parametrize("workers", ["1", "2"])
async def test_an_admin_key_from_a_file_makes_the_first_key(world: World, workers: str) -> None:
    place = world.folder / "admin-key"
    place.write_text(f"{ADMIN_KEY}\n")
    async with world.process("--workers", workers, auth={"admin_key": f"file:{place}"}) as gateway:
        status, made = await made_key(world, gateway, ADMIN_KEY)
        assert status == 201
        assert (await gateway.call("/chat/completions", CHAT, authorization=f"Bearer {made['key']}")).status == 200
        with_admin_key = await gateway.call("/chat/completions", CHAT, authorization=f"Bearer {ADMIN_KEY}")
        assert with_admin_key.status == 403
        assert (await made_key(world, gateway, ADMIN_KEY[:-1] + "0"))[0] == 401
        assert ADMIN_KEY not in gateway.log
    with psycopg.connect(world.stores.database_url) as database:
        assert database.execute("SELECT project FROM keys").fetchall() == [("shop",)], "the admin key is stored nowhere"


async def test_replicas_have_the_same_admin_key_and_a_new_one_is_valid_with_the_next_start(world: World) -> None:
    place = world.folder / "admin-key"
    place.write_text(ADMIN_KEY)
    settings = {"admin_key": f"file:{place}"}
    async with world.process(auth=settings) as one, world.process(auth=settings) as other:
        for gateway in (one, other):
            assert (await made_key(world, gateway, ADMIN_KEY))[0] == 201
    place.write_text(ADMIN_KEY[::-1])
    async with world.process(auth=settings) as gateway:
        assert (await made_key(world, gateway, ADMIN_KEY))[0] == 401
        assert (await made_key(world, gateway, ADMIN_KEY[::-1]))[0] == 201
