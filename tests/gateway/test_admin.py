"""An operator's changes over HTTP apply to the whole gateway, and admin keys cannot call a model."""

import asyncio

import openai
import pytest

from tests.harness import CHAT, Gateway, World
from tidegate.auth.key_store import STALE_SECONDS


async def test_an_admin_key_administers_and_does_nothing_else(gateway: Gateway, world: World) -> None:
    admin = (await world.keys.create(project="operators", admin=True)).token
    for path, body in (("/chat/completions", CHAT), ("/models", None)):
        refused = await gateway.call(path, body, authorization=f"Bearer {admin}")
        assert (refused.status, refused.headers["x-tidegate-error"]) == (403, "admin_key_not_allowed")
        assert refused.error["code"] == "insufficient_permissions"
    headers = {"authorization": f"Bearer {admin}"}
    async with world.http.get(f"{gateway.root}/admin/v1/keys", headers=headers) as response:
        assert (response.status, len((await response.json())["data"])) == (200, 2)
    assert await world.calls() == 0


async def test_an_ordinary_key_administers_nothing(gateway: Gateway, world: World) -> None:
    headers = {"authorization": f"Bearer {gateway.key}"}
    async with world.http.get(f"{gateway.root}/admin/v1/keys", headers=headers) as response:
        assert (response.status, response.headers["x-tidegate-error"]) == (403, "admin_key_required")


async def test_only_an_admin_key_deletes_a_model(gateway: Gateway, world: World) -> None:
    """A fine-tuned model belongs to the whole organisation, and cannot be restored."""
    admin = (await world.keys.create(project="operators", admin=True)).token
    tuned = "ft:gpt-4o-mini:shop::abc"
    async with gateway.sdk(api_key=admin) as client:
        deleted = await client.models.delete(tuned)
    assert (deleted.id, deleted.object, deleted.deleted) == (tuned, "model", True)
    async with gateway.sdk() as client:
        with pytest.raises(openai.PermissionDeniedError, match="--admin"):
            await client.models.delete(tuned)


async def test_a_key_revoked_on_one_replica_is_soon_refused_by_the_other(world: World) -> None:
    admin = (await world.keys.create(project="operators", admin=True)).token
    made = await world.make_key()
    async with world.gateway() as one, world.gateway() as other:
        assert (await other.chat(authorization=f"Bearer {made.token}")).status == 200
        headers = {"authorization": f"Bearer {admin}"}
        url = f"{one.root}/admin/v1/keys/{made.record.id}"
        async with world.http.delete(url, headers=headers) as response:
            assert (await response.json())["state"] == "revoked"

        async with asyncio.timeout(STALE_SECONDS / 3):  # a second on an idle machine
            while (await other.chat(authorization=f"Bearer {made.token}")).status != 401:
                pass
