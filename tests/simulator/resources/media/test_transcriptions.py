"""A transcription costs its minutes or its tokens, and says so where its format can."""

from typing import Any

import pytest

from tests.simulator.client import upstream
from tests.simulator.resources.asking import ask, expect_refusal, form
from tidegate.simulator.resources.media.sounds import sound

_WAV = ("a.wav", sound("wav", 5.2))


@pytest.mark.parametrize(
    ("model", "usage", "nanos"),
    [
        ("whisper-1", {"type": "duration", "seconds": 6}, 600_000),
        (
            "gpt-4o-transcribe",
            {"type": "tokens", "input_tokens": 54, "output_tokens": 15},
            52 * 6_000 + 5_000 + 150_000,
        ),
    ],
)
async def test_the_bill_and_the_answer_agree(model: str, usage: dict[str, Any], nanos: int) -> None:
    async with upstream() as up:
        _, made = await ask(up, "POST", "/audio/transcriptions", form(file=_WAV, model=model, prompt="tide"))
        assert {name: made["usage"][name] for name in usage} == usage
        assert (await up.stats())["cost_nanos"] == nanos


@pytest.mark.parametrize("kind", ["text", "srt", "vtt"])
async def test_plain_formats_are_text(kind: str) -> None:
    fields = {"file": _WAV, "model": "whisper-1", "response_format": kind}
    async with upstream() as up, up.session.post(f"{up.base_url}/audio/translations", data=form(**fields)) as answer:
        assert answer.headers["content-type"] == "text/plain; charset=utf-8"
        assert "The recording says:" in await answer.text()


@pytest.mark.parametrize(
    ("fields", "status", "message"),
    [
        ({"model": "whisper-1"}, 400, "Missing required parameter: 'file'"),
        ({"file": _WAV}, 400, "you must provide a model parameter"),
        ({"file": ("a.exe", b"x" * 9999), "model": "whisper-1"}, 400, "Unrecognized file format."),
        ({"file": ("a.mp3", b"x"), "model": "whisper-1"}, 400, "Audio file is too short."),
        ({"file": _WAV, "model": "whisper-1", "response_format": "pdf"}, 400, "Invalid value: 'pdf'"),
        ({"file": _WAV, "model": "whisper-1", "response_format": "diarized_json"}, 400, "is not compatible"),
        ({"file": _WAV, "model": "gpt-4o-transcribe", "response_format": "srt"}, 400, "is not compatible"),
    ],
)
async def test_what_openai_refuses_is_refused(fields: dict[str, Any], status: int, message: str) -> None:
    async with upstream() as up:
        await expect_refusal(up, ("POST", "/audio/transcriptions", form(**fields), status, message))


async def test_only_whisper_translates() -> None:
    async with upstream() as up:
        body = form(file=_WAV, model="gpt-4o-transcribe")
        await expect_refusal(up, ("POST", "/audio/translations", body, 404, "does not exist or you do not have access"))
