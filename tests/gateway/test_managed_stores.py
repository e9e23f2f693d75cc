"""Behind a PgBouncer that wants TLS and a password, as clouds give it, replicas work as with a PostgreSQL of theirs."""

import asyncio
from pathlib import Path

import pytest

from tests.gateway.test_kinds_of_redis import BUSY
from tests.harness import World
from tests.storage.managed import needs_pgbouncer, tls_pgbouncer
from tests.storage.redis_servers import make_certificate
from tidegate.core.errors import StoreError
from tidegate.storage.embedded import StoreUrls
from tidegate.storage.schema.migrate import migrate

pytestmark = pytest.mark.long


@needs_pgbouncer
async def test_behind_a_pgbouncer_with_tls_and_a_password(world: World, tmp_path: Path) -> None:
    certificate, key = make_certificate(tmp_path)
    async with tls_pgbouncer(world.stores.database_url, certificate, key) as (url, with_wrong_password):
        with pytest.raises(StoreError):
            await asyncio.to_thread(migrate, with_wrong_password)
        assert await asyncio.to_thread(migrate, url) == []
        world.stores = StoreUrls(database_url=url, redis_url=world.stores.redis_url)
        async with world.gateway(**BUSY) as one, world.gateway(**BUSY) as other:
            previous: str | None = None
            for number in range(6):
                gateway = (one, other)[number % 2]
                body = {"model": "gpt-4o-mini", "input": f"turn {number}", "previous_response_id": previous}
                answer = await gateway.call("/responses", body)
                assert answer.status == 200, answer.text
                previous = answer.json["id"]
            items = await other.call(f"/responses/{previous}/input_items?order=asc")
            assert [f"turn {number}" in items.text for number in range(6)] == [True] * 6
        async with world.gateway(database_url=with_wrong_password) as gateway:
            assert (await gateway.chat()).status == 503
