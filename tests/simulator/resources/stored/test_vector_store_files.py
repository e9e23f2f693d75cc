"""The files of a vector store, and batches of them, go on as time passes."""

from typing import Any

import pytest

from tests.simulator.client import SimulatorClient, upstream
from tests.simulator.resources.asking import ask, expect_refusal, new_file
from tidegate.core.clock import ManualClock


async def _store(up: SimulatorClient) -> str:
    return str((await ask(up, "POST", "/vector_stores", {}))[1]["id"])


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "message"),
    [
        ("POST", "/files", {}, 400, "Missing required parameter: 'file_id'"),
        ("POST", "/files", {"file_id": "file-x"}, 404, "No such File object: file-x"),
        ("POST", "/files", {"file_id": "f", "attributes": {"a": {}}}, 400, "Invalid type for 'attributes.a'"),
        ("GET", "/files/file-x", None, 404, "No file found with id 'file-x' in vector store"),
        ("GET", "/files?filter=odd", None, 400, "Invalid value: 'odd'"),
        ("POST", "/file_batches", {}, 400, "Exactly one of 'file_ids' and 'files'"),
        ("POST", "/file_batches", {"file_ids": []}, 400, "Invalid 'file_ids': empty array"),
        ("GET", "/file_batches/vsfb_x", None, 404, "No file batch found with id 'vsfb_x'"),
    ],
)
async def test_what_openai_refuses_is_refused(method: str, path: str, body: Any, status: int, message: str) -> None:
    async with upstream() as up:
        await expect_refusal(up, (method, f"/vector_stores/{await _store(up)}{path}", body, status, message))


async def test_a_batch_goes_on_and_can_be_cancelled() -> None:
    clock = ManualClock()
    async with upstream(clock, job_seconds=10.0) as up:
        path = f"/vector_stores/{await _store(up)}/file_batches"
        files = [{"file_id": await new_file(up), "attributes": {"n": number}} for number in range(2)]
        _, first = await ask(up, "POST", path, {"files": files})
        assert (first["status"], first["file_counts"]["in_progress"]) == ("in_progress", 2)
        clock.advance(11)
        _, done = await ask(up, "GET", f"{path}/{first['id']}")
        assert (done["status"], done["file_counts"]["completed"]) == ("completed", 2)
        _, listed = await ask(up, "GET", f"{path}/{first['id']}/files?limit=1")
        assert ([one["attributes"] for one in listed["data"]], listed["has_more"]) == ([{"n": 1}], True)
        _, second = await ask(up, "POST", path, {"file_ids": [await new_file(up)]})
        _, cancelled = await ask(up, "POST", f"{path}/{second['id']}/cancel")
        assert (cancelled["status"], cancelled["file_counts"]["cancelled"]) == ("cancelled", 1)


async def test_a_batch_of_files_that_are_no_text_fails() -> None:
    async with upstream() as up:
        body = {"file_ids": [await new_file(up, b"\xff\xfe")]}
        _, batch = await ask(up, "POST", f"/vector_stores/{await _store(up)}/file_batches", body)
    assert (batch["status"], batch["file_counts"]["failed"]) == ("failed", 1)
