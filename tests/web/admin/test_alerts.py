"""The alerts are shown, tested and muted over the admin API."""

from tests.harness import Json
from tests.web.api_client import ApiClient

WELL: Json = {"is_enabled": True, "is_firing": False, "since": None, "what": None, "fault": None, "causes": []}


async def test_the_three_alerts_are_shown(api_client: ApiClient) -> None:
    assert await api_client.get("/alerts") == {
        "object": "alerts",
        "alerts": [{"alert": name, **WELL} for name in ("slow", "errors", "cost")],
        "muted_until": None,
        "channels": ["slack"],
        "deliveries": [],
    }


async def test_a_test_message_is_queued_and_listed(api_client: ApiClient) -> None:
    queued = await api_client.send("POST", "/alerts/test")
    assert (queued.status, queued.json["channels"]) == (200, ["slack"])
    [delivery] = (await api_client.get("/alerts"))["deliveries"]
    assert (delivery["id"], delivery["channel"], delivery["attempts"]) == (queued.json["id"], "slack", 0)
    assert (delivery["delivered_at"], delivery["last_error"]) == (None, None)


async def test_alerts_are_muted_and_unmuted(api_client: ApiClient) -> None:
    muted = await api_client.send("POST", "/alerts/mute", {"seconds": 3600})
    assert (muted.status, muted.json["muted_until"][:4]) == (200, "2026")
    assert (await api_client.get("/alerts"))["muted_until"] == muted.json["muted_until"]
    assert (await api_client.send("POST", "/alerts/unmute")).json == {"muted_until": None}
    refused = await api_client.send("POST", "/alerts/mute", {"seconds": 10**9})
    assert (refused.status, "seconds" in refused.error["message"]) == (400, True)
