"""A vector store knows its files and what they say, and expires."""

from typing import Any

import pytest

from tests.simulator.client import upstream
from tests.simulator.resources.asking import Refused, ask, expect_refusal, new_file
from tidegate.core.clock import ManualClock


@pytest.mark.parametrize(
    "refused",
    [
        ("GET", "/vector_stores/vs_x", None, 404, "Vector store with id 'vs_x' not found."),
        ("POST", "/vector_stores/vs_x/search", {"query": "a"}, 404, "Vector store with id 'vs_x' not found."),
        ("POST", "/vector_stores", {"file_ids": ["file-x"]}, 404, "No such File object: file-x"),
        ("POST", "/vector_stores", {"metadata": {"a": 1}}, 400, "Invalid type for 'metadata.a'"),
        ("POST", "/vector_stores", {"expires_after": {"anchor": "last_active_at", "days": 366}}, 400, "above maximum"),
        ("POST", "/vector_stores", {"chunking_strategy": {"type": "odd"}}, 400, "Invalid value: 'odd'"),
    ],
)
async def test_what_openai_refuses_is_refused(refused: Refused) -> None:
    async with upstream() as up:
        await expect_refusal(up, refused)


@pytest.mark.parametrize(
    ("body", "files"),
    [
        ({"query": "tide"}, {"north", "south"}),
        ({"query": ["tide"], "max_num_results": 1}, {"north"}),
        ({"query": "tide", "filters": {"type": "eq", "key": "sea", "value": "south"}}, {"south"}),
        ({"query": "tide", "ranking_options": {"score_threshold": 0.99}}, set()),
    ],
)
async def test_a_search_finds_what_fits(body: dict[str, Any], files: set[str]) -> None:
    async with upstream() as up:
        _, store = await ask(up, "POST", "/vector_stores", {})
        for sea, text in (("north", b"the tide"), ("south", b"the tide of the south is late")):
            file_id = await new_file(up, text, name=sea)
            await ask(
                up, "POST", f"/vector_stores/{store['id']}/files", {"file_id": file_id, "attributes": {"sea": sea}}
            )
        _, found = await ask(up, "POST", f"/vector_stores/{store['id']}/search", body)
    assert {hit["filename"] for hit in found["data"]} == files


async def test_a_store_expires_after_its_days() -> None:
    clock = ManualClock()
    async with upstream(clock) as up:
        life = {"expires_after": {"anchor": "last_active_at", "days": 1}}
        _, store = await ask(up, "POST", "/vector_stores", life)
        clock.advance(86_401)
        assert (await ask(up, "GET", f"/vector_stores/{store['id']}"))[1]["status"] == "expired"
        path = f"/vector_stores/{store['id']}/search"
        await expect_refusal(up, ("POST", path, {"query": "a"}, 400, "is expired"))
