"""Calls are listed in pages over the admin API, and found by their ids."""

from tests.metering.ledger_parts import entry
from tests.web.api_client import ApiClient
from tidegate.metering.ledger.entries import encode
from tidegate.metering.ledger.store import LedgerStore
from tidegate.storage.postgres import Postgres

AT = 1_789_999_990.0


async def test_calls_are_listed_in_pages_and_found(api_client: ApiClient, postgres: Postgres) -> None:
    calls = [entry(number, at=AT + number, outcome="server_error" if number == 2 else "ok") for number in range(4)]
    await LedgerStore(postgres).write([encode(call) for call in calls])
    page = await api_client.get("/calls?limit=3")
    assert ([call["id"] for call in page["data"]], page["has_more"]) == (["req_3", "req_2", "req_1"], True)
    page = await api_client.get(f"/calls?limit=3&after={page['last']}")
    assert ([call["id"] for call in page["data"]], page["has_more"]) == (["req_0"], False)
    page = await api_client.get("/calls?errors=true&user=ada&project=acme")
    assert [(call["id"], call["outcome"], call["cost_usd"]) for call in page["data"]] == [
        ("req_2", "server_error", "0.0000045")
    ]
    found = await api_client.get("/calls/req_1")
    assert (found["receivers"], [call["at"] for call in found["entries"]]) == (0, ["2026-09-21T14:13:11.000+00:00"])


async def test_what_is_unknown_is_an_error(api_client: ApiClient) -> None:
    for path in ("/calls/req_9", "/calls?project=sohp", "/usage?project=sohp", "/usage?key=key_9"):
        assert (await api_client.send("GET", path)).status == 404
