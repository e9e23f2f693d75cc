"""Two replicas with a failing upstream send one message, with the upstream's own words; calls do not wait for it."""

import msgspec
import pytest

from tests.alerts.receivers import Receiver, running_receiver
from tests.eventually import wait_until
from tests.harness import Gateway, Json, World, ask

SECRET = "a-secret-of-the-webhook"


def settings(receiver: Receiver) -> Json:
    return {
        "alerts": {"min_calls": 5, "webhook_url": receiver.url, "webhook_secret": SECRET},
        "retries": {"max_retries": 0},
        "cache": {"stale_for_seconds": 0},
    }


async def admin(world: World, gateway: Gateway, method: str, path: str) -> Json:
    token = (await world.keys.create(project="operators", admin=True)).token
    headers = {"authorization": f"Bearer {token}"}
    async with world.http.request(method, f"{gateway.root}/admin/v1{path}", headers=headers) as response:
        assert response.status == 200
        document: Json = await response.json()
        return document


def gauges_of(failures: Json) -> dict[str, float]:
    """Return what the gauge says of each alert."""
    [firing] = [gauge for gauge in failures["gauges"] if gauge["name"] == "alert_firing"]
    return {sample["labels"]["alert"]: sample["value"] for sample in firing["samples"]}


@pytest.mark.parametrize("behaviour", ["", "silent"])
async def test_one_message_comes_of_two_replicas(world: World, behaviour: str) -> None:
    with running_receiver() as receiver:
        receiver.behaviour = behaviour
        async with world.gateway(**settings(receiver)) as one, world.gateway(**settings(receiver)) as other:
            await world.set_faults(server_error=1.0)
            for number in range(4):
                for gateway in (one, other):
                    answer = await gateway.chat(ask(f"Is it high, {number}?"), x_tidegate_deadline="0")
                    assert answer.status >= 500
            await wait_until(lambda: len(receiver.requests) == 1)
            await world.set_faults(server_error=0.0)
            shown = await admin(world, one, "GET", "/alerts")
            firing = [gauges_of(await admin(world, gateway, "GET", "/failures")) for gateway in (one, other)]
        body = msgspec.json.decode(receiver.requests[0].body)
        [errors] = [alert for alert in shown["alerts"] if alert["alert"] == "errors"]
        assert (errors["is_firing"], errors["fault"]) == (True, "upstream")
        assert body["data"]["causes"] == errors["causes"]
        assert "server_error at openai: " in errors["causes"][0]
        assert len(receiver.requests) == 1
        assert firing == [{"slow": 0, "errors": 1, "cost": 0}] * 2


async def test_a_test_message_goes_the_whole_way(world: World) -> None:
    with running_receiver() as receiver:
        async with world.gateway(**settings(receiver)) as gateway:
            sent = await admin(world, gateway, "POST", "/alerts/test")
            await wait_until(lambda: receiver.ids == [sent["id"]])
