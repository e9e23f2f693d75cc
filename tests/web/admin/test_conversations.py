"""Messages are found and projects exported over the admin API; searches keep within their bounds."""

import asyncio
from datetime import UTC, datetime

import msgspec
import pytest
from pydantic import ValidationError

from tests.cli.stored import store_samples
from tests.web.api_client import ApiClient
from tidegate.conversations.storage.search import MATCH_END, MATCH_START, SearchHit, SearchQuery
from tidegate.storage.embedded import StoreUrls
from tidegate.web.admin.conversations import MessageSearchQuery, MessageView


@pytest.fixture
async def client_with_data(api_client: ApiClient, clean_stores: StoreUrls) -> ApiClient:
    await api_client.create_key()
    await asyncio.to_thread(store_samples, clean_stores)
    return api_client


async def test_messages_are_found(client_with_data: ApiClient) -> None:
    found = await client_with_data.get("/messages?words=high%20tide&project=shop&end_user=ada")
    assert [(one["id"], one["turn"]) for one in found["data"]] == [("msg_0", "resp_0")]
    assert len((await client_with_data.get("/messages?words=tide&limit=2"))["data"]) == 2


async def test_a_project_is_exported_line_by_line(client_with_data: ApiClient) -> None:
    answer = await client_with_data.send("GET", "/export?project=shop&end_user=bob")
    assert (answer.status, answer.headers["content-type"]) == (200, "application/jsonl")
    lines = [msgspec.json.decode(line) for line in answer.text.splitlines()]
    assert [line["kind"] for line in lines] == ["chain", "item", "item", "response"]


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/messages", 400),
        ("/messages?words=x&limit=101", 400),
        ("/export?project=nobody", 404),
    ],
)
async def test_mistakes_are_explained(client_with_data: ApiClient, path: str, status: int) -> None:
    answer = await client_with_data.send("GET", path)
    assert (answer.status, bool(answer.error["message"])) == (status, True)


def test_a_query_becomes_the_searchs_own() -> None:
    query = MessageSearchQuery(words="tide", end_user="ada", before=datetime(2026, 11, 24, tzinfo=UTC))
    assert query.to_search() == SearchQuery(words="tide", end_user="ada", before=1_795_478_400.0)


@pytest.mark.parametrize(
    "bad", [{"words": ""}, {"words": "x" * 1001}, {"words": "x", "limit": 0}, {"words": "x", "y": 1}]
)
def test_a_query_out_of_bounds_is_rejected(bad: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        MessageSearchQuery.model_validate(bad)


def test_matching_words_are_marked() -> None:
    fields = {"project": "shop", "conversation": "c", "turn": None, "role": "user", "end_user": None, "model": None}
    hit = SearchHit(at=1.0, id="m", excerpt=f"high {MATCH_START}tide{MATCH_END}", **fields)  # type: ignore[arg-type]  # all are texts
    assert MessageView.of(hit).excerpt == "high **tide**"
