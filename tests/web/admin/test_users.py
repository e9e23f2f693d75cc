"""An end user is erased over the admin API, after a dry run that erases nothing."""

import asyncio

import pytest

from tests.cli.stored import store_samples
from tests.web.api_client import ApiClient
from tidegate.storage.embedded import StoreUrls


async def test_an_end_user_is_erased(api_client: ApiClient, clean_stores: StoreUrls) -> None:
    await api_client.create_key()
    await asyncio.to_thread(store_samples, clean_stores)
    whom = {"project": "shop", "end_user": "ada"}
    shown = await api_client.send("POST", "/users/forget", {**whom, "dry_run": True})
    assert (shown.status, shown.json["items"], shown.json["dry_run"]) == (200, 2, True)
    done = await api_client.send("POST", "/users/forget", whom)
    assert (done.status, done.json["items"], done.json["dry_run"]) == (200, 2, False)
    again = await api_client.send("POST", "/users/forget", whom)
    assert again.json["items"] == 0


@pytest.mark.parametrize(
    ("body", "status"), [({"project": "shop"}, 400), ({"project": "unknown", "end_user": "ada"}, 404)]
)
async def test_mistakes_are_explained(api_client: ApiClient, body: dict[str, str], status: int) -> None:
    answer = await api_client.send("POST", "/users/forget", body)
    assert (answer.status, bool(answer.error["message"])) == (status, True)
