"""What failed is counted where an operator looks, and nobody else can."""

from tests.harness import STREAM, Gateway, World


async def test_failures_are_shown_to_admins_only(world: World) -> None:
    admin = (await world.keys.create(project="operators", admin=True)).token
    async with world.gateway() as gateway:
        await gateway.chat(x_simulate_fault="server_error", x_tidegate_deadline="0")
        await gateway.chat(STREAM, x_simulate_fault="truncated")
        await gateway.chat(b"{")
        for path in ("/metrics", "/admin/v1/failures"):
            for wrong, status in ((gateway.key, 403), ("sk-tg-wrong", 401)):
                assert (await at(gateway, path, wrong))[0] == status
        status, text = await at(gateway, "/metrics", admin)
        assert status == 200
        assert 'tidegate_failures_total{error="server_error",route="chat"} ' in text
        assert 'tidegate_failures_total{error="truncated",route="chat"} 1' in text
        assert 'tidegate_failures_total{error="body_not_json",route="chat"} 1' in text
        assert "tidegate_redis_up 1" in text
        status, text = await at(gateway, "/admin/v1/failures", admin)
        assert (status, '"redis_lost":0' in text) == (200, True)


async def test_scrapers_without_a_key_are_let_in_where_it_is_configured(world: World) -> None:
    async with world.gateway(watch={"open_metrics": True}) as gateway:
        assert (await at(gateway, "/metrics", ""))[0] == 200
        assert (await at(gateway, "/admin/v1/failures", ""))[0] == 401


async def at(gateway: Gateway, path: str, key: str) -> tuple[int, str]:
    async with gateway.http.get(gateway.root + path, headers={"authorization": f"Bearer {key}"}) as answer:
        return answer.status, await answer.text()
