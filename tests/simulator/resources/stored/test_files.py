"""Files are kept as they were sent, and what OpenAI refuses is refused in its words."""

from typing import Any

import pytest

from tests.simulator.client import upstream
from tests.simulator.resources.asking import Refused, ask, expect_refusal, form, new_file
from tidegate.core.clock import ManualClock


def _file(purpose: str | None = "user_data", name: str = "a.txt", content: bytes = b"1", **more: str) -> object:
    fields = {"file": (name, content), **more}
    return form(**(fields if purpose is None else {"purpose": purpose, **fields}))


@pytest.mark.parametrize(
    "refused",
    [
        ("POST", "/files", {"purpose": "batch"}, 415, "multipart/form-data"),
        ("POST", "/files", form(purpose="batch"), 400, "'file' is a required property"),
        ("GET", "/files/file-x", None, 404, "No such File object: file-x"),
        ("DELETE", "/files/file-x", None, 404, "No such File object: file-x"),
        ("GET", "/files/file-x/content", None, 404, "No such File object: file-x"),
        ("GET", "/files?limit=10001", None, 400, "above maximum value"),
        ("GET", "/files?after=file-x", None, 400, "Invalid 'after'"),
    ],
)
async def test_what_openai_refuses_is_refused(refused: Refused) -> None:
    async with upstream() as up:
        await expect_refusal(up, refused)


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"purpose": None}, "Missing required parameter: 'purpose'"),
        ({"purpose": "play"}, "'play' is not one of ['assistants', 'batch'"),
        ({"purpose": "batch"}, "Invalid file format for Batch API. Must be .jsonl"),
        ({"content": b""}, "File is empty."),
        ({"expires_after[anchor]": "last_used", "expires_after[seconds]": "3600"}, "Invalid value: 'last_used'"),
        ({"expires_after[anchor]": "created_at", "expires_after[seconds]": "60"}, "below minimum value"),
    ],
)
async def test_a_file_that_openai_does_not_take_is_refused(more: dict[str, Any], message: str) -> None:
    async with upstream() as up:
        await expect_refusal(up, ("POST", "/files", _file(**more), 400, message))


async def test_a_file_expires() -> None:
    clock = ManualClock()
    async with upstream(clock) as up:
        life: dict[str, Any] = {"expires_after[anchor]": "created_at", "expires_after[seconds]": "3600"}
        _, made = await ask(up, "POST", "/files", _file(**life))
        assert made["expires_at"] == made["created_at"] + 3600
        clock.advance(3599)
        assert (await ask(up, "GET", f"/files/{made['id']}"))[0] == 200
        clock.advance(3)
        assert (await ask(up, "GET", f"/files/{made['id']}"))[0] == 404


async def test_the_files_of_assistants_cannot_be_downloaded() -> None:
    async with upstream() as up:
        file_id = await new_file(up, purpose="assistants")
        message = "Not allowed to download files of purpose: assistants"
        await expect_refusal(up, ("GET", f"/files/{file_id}/content", None, 400, message))
