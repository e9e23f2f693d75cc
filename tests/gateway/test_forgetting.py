"""An end user's data is erased everywhere: stored records, cache, and the name in the ledger."""

import asyncpg

from tests.eventually import wait_until_async
from tests.harness import Gateway, World, ask

ADA = {"safety_identifier": "ada"}


async def lines(world: World, user: str) -> int:
    """Return the number of ledger entries of an end user."""
    connection = await asyncpg.connect(world.stores.database_url)
    try:
        return int(await connection.fetchval("SELECT count(*) FROM ledger WHERE end_user LIKE $1", user))
    finally:
        await connection.close()


async def test_a_forgotten_end_user_is_asked_about_anew(gateway: Gateway, world: World) -> None:
    async with gateway.sdk() as client:
        stored = await client.responses.create(model="gpt-4o-mini", input="Remember the tide", extra_body=ADA)
    assert (await gateway.chat(ask("What did ada ask?", **ADA))).headers["x-tidegate-cache"] == "miss"
    assert (await gateway.chat(ask("What did bob ask?"))).headers["x-tidegate-cache"] == "miss"
    assert (await gateway.chat(ask("What did ada ask?", **ADA))).headers["x-tidegate-cache"] == "hit"

    async def drained() -> bool:
        return await lines(world, "ada") == 3

    await wait_until_async(drained)
    admin = (await world.keys.create(project="operators", admin=True)).token
    project = (await world.keys.list())[0].project
    headers = {"authorization": f"Bearer {admin}"}
    body = {"project": project, "end_user": "ada"}
    async with world.http.post(f"{gateway.root}/admin/v1/users/forget", json=body, headers=headers) as response:
        results = await response.json()
    assert response.status == 200, results
    assert (results["responses"], results["cached_answers"], results["ledger_lines"]) == (1, 2, 3)

    assert (await gateway.call(f"/responses/{stored.id}")).status == 404
    assert (await gateway.chat(ask("What did bob ask?"))).headers["x-tidegate-cache"] == "hit"
    assert (await gateway.chat(ask("What did ada ask?", **ADA))).headers["x-tidegate-cache"] == "miss"
    assert await lines(world, "forgotten_%") == 3
