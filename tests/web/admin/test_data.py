"""Over the admin API messages are found, projects exported and end users forgotten."""

import asyncio

import msgspec
import pytest

from tests.cli.stored import store_samples
from tests.web.office import ApiClient
from tidegate.storage.embedded import StoreUrls


@pytest.fixture
async def client_with_data(office: ApiClient, clean_stores: StoreUrls) -> ApiClient:
    await office.create_key()
    await asyncio.to_thread(store_samples, clean_stores)
    return office


async def test_messages_are_found(client_with_data: ApiClient) -> None:
    found = await client_with_data.get("/messages?words=high%20tide&project=shop&end_user=ada")
    assert [(one["id"], one["turn"]) for one in found["data"]] == [("msg_0", "resp_0")]
    assert len((await client_with_data.get("/messages?words=tide&limit=2"))["data"]) == 2


async def test_a_project_is_exported_line_by_line(client_with_data: ApiClient) -> None:
    answer = await client_with_data.send("GET", "/export?project=shop&end_user=bob")
    assert (answer.status, answer.headers["content-type"]) == (200, "application/jsonl")
    lines = [msgspec.json.decode(line) for line in answer.text.splitlines()]
    assert [line["kind"] for line in lines] == ["chain", "item", "item", "response"]


async def test_an_end_user_is_forgotten(client_with_data: ApiClient) -> None:
    whom = {"project": "shop", "end_user": "ada"}
    shown = await client_with_data.send("POST", "/users/forget", {**whom, "dry_run": True})
    assert (shown.status, shown.json["items"], shown.json["dry_run"]) == (200, 2, True)
    done = await client_with_data.send("POST", "/users/forget", whom)
    assert (done.status, done.json["items"], done.json["dry_run"]) == (200, 2, False)
    again = await client_with_data.send("POST", "/users/forget", whom)
    assert again.json["items"] == 0


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "/messages", None, 400),
        ("GET", "/messages?words=x&limit=101", None, 400),
        ("GET", "/export?project=nobody", None, 404),
        ("POST", "/users/forget", {"project": "shop"}, 400),
        ("POST", "/users/forget", {"project": "nobody", "end_user": "ada"}, 404),
    ],
)
async def test_mistakes_are_explained(
    client_with_data: ApiClient, method: str, path: str, body: dict[str, str] | None, status: int
) -> None:
    answer = await client_with_data.send(method, path, body)
    assert (answer.status, bool(answer.error["message"])) == (status, True)
