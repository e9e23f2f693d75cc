"""An upload's parts become a file in the order of its completion, once and only if all bytes are there."""

import hashlib
from typing import Any

import pytest

from tests.simulator.client import SimulatorClient, upstream
from tests.simulator.resources.asking import Refused, ask, expect_refusal, form
from tidegate.core.clock import ManualClock

_NEW = {"filename": "a.txt", "purpose": "user_data", "bytes": 4, "mime_type": "text/plain"}


async def _upload(up: SimulatorClient) -> tuple[str, list[str]]:
    """Return the id of an upload and of its two parts."""
    upload_id = (await ask(up, "POST", "/uploads", _NEW))[1]["id"]
    parts = [
        (await ask(up, "POST", f"/uploads/{upload_id}/parts", form(data=("part", data))))[1]["id"]
        for data in (b"ab", b"cd")
    ]
    return upload_id, parts


@pytest.mark.parametrize(
    "refused",
    [
        ("POST", "/uploads", {**_NEW, "bytes": 0}, 400, "below minimum value"),
        ("POST", "/uploads", {**_NEW, "bytes": None}, 400, "Missing required parameter: 'bytes'"),
        ("POST", "/uploads", {**_NEW, "purpose": "batch"}, 400, "Must be .jsonl"),
        ("POST", "/uploads/upload_x/cancel", None, 404, "No such Upload object: upload_x"),
    ],
)
async def test_what_openai_refuses_is_refused(refused: Refused) -> None:
    async with upstream() as up:
        await expect_refusal(up, refused)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({}, "Missing required parameter: 'part_ids'"),
        ({"part_ids": ["part_x"]}, "Part 'part_x' does not belong to this upload."),
        ({"part_ids": [0]}, "The parts have 2 bytes, but the upload was created with 4 bytes."),
        ({"part_ids": [0, 1], "md5": "0" * 32}, "The MD5 checksum does not match"),
    ],
)
async def test_an_incomplete_upload_is_refused(body: dict[str, Any], message: str) -> None:
    async with upstream() as up:
        upload_id, parts = await _upload(up)
        if "part_ids" in body:
            body = {**body, "part_ids": [parts[one] if isinstance(one, int) else one for one in body["part_ids"]]}
        await expect_refusal(up, ("POST", f"/uploads/{upload_id}/complete", body, 400, message))


async def test_a_complete_upload_is_a_file_and_cannot_go_on() -> None:
    async with upstream() as up:
        upload_id, parts = await _upload(up)
        digest = hashlib.md5(b"cdab", usedforsecurity=False).hexdigest()
        body = {"part_ids": parts[::-1], "md5": digest}
        _, done = await ask(up, "POST", f"/uploads/{upload_id}/complete", body)
        async with up.session.get(f"{up.base_url}/files/{done['file']['id']}/content") as answer:
            assert await answer.read() == b"cdab"
        message = f"Upload {upload_id} has status 'completed'"
        await expect_refusal(up, ("POST", f"/uploads/{upload_id}/cancel", None, 400, message))


async def test_an_upload_expires_after_an_hour() -> None:
    clock = ManualClock()
    async with upstream(clock) as up:
        upload_id, _ = await _upload(up)
        clock.advance(3601)
        message = f"Upload {upload_id} has status 'expired'"
        await expect_refusal(up, ("POST", f"/uploads/{upload_id}/cancel", None, 400, message))
