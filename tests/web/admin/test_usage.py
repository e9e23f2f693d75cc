"""Usage is summed up in pages over the admin API."""

from tests.metering.ledger_parts import entry
from tests.web.api_client import ApiClient
from tidegate.metering.ledger.entries import encode
from tidegate.metering.ledger.store import LedgerStore
from tidegate.storage.postgres import Postgres


async def test_usage_is_summed_up_in_pages(api_client: ApiClient, postgres: Postgres) -> None:
    calls = [entry(number, at=1_789_999_999.0, model=f"m{number}", cost_nanos=number) for number in range(3)]
    await LedgerStore(postgres).write([encode(call) for call in calls])
    page = await api_client.get("/usage?by=model&limit=2")
    assert ([row["group"] for row in page["data"]], page["last"], page["total"]["calls"]) == (["m2", "m1"], "m1", 3)
    page = await api_client.get("/usage?by=model&limit=2&after=m1")
    assert ([row["cost_usd"] for row in page["data"]], page["has_more"]) == (["0.00"], False)
    assert (await api_client.get("/usage?until=2020-01-01T00:00:00Z"))["data"] == []
