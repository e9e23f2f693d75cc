"""Speech costs its characters or its tokens, and what OpenAI refuses is refused."""

from typing import Any

import pytest

from tests.simulator.client import upstream
from tests.simulator.resources.asking import expect_refusal
from tidegate.simulator.resources.media.sounds import seconds_of

_SPEECH = {"model": "tts-1", "input": "The tide is high.", "voice": "alloy"}


@pytest.mark.parametrize(
    ("more", "nanos"),
    [
        ({}, 17 * 15_000),
        ({"model": "tts-1-hd"}, 17 * 30_000),
        ({"model": "gpt-4o-mini-tts"}, 5 * 600 + 23 * 12_000),
        ({"model": "gpt-4o-mini-tts", "stream_format": "sse", "speed": 2}, 5 * 600 + 11 * 12_000),
    ],
)
async def test_the_bill_has_the_price_of_what_was_said(more: dict[str, Any], nanos: int) -> None:
    async with upstream() as up:
        async with up.post("/audio/speech", {**_SPEECH, **more}) as answer:
            assert answer.status == 200
            await answer.read()
        assert (await up.stats())["cost_nanos"] == nanos


@pytest.mark.parametrize(("kind", "content_type"), [("wav", "audio/wav"), ("mp3", "audio/mpeg"), ("pcm", "audio/pcm")])
async def test_a_format_has_its_content_type(kind: str, content_type: str) -> None:
    async with upstream() as up, up.post("/audio/speech", {**_SPEECH, "response_format": kind}) as answer:
        content = await answer.read()
    assert answer.headers["content-type"] == content_type
    assert kind != "wav" or seconds_of(content) == pytest.approx(17 / 15, abs=0.01)


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"voice": "moon"}, "Invalid value: 'moon'"),
        ({"voice": None}, "Missing required parameter: 'voice'"),
        ({"input": "a" * 4097}, "string too long"),
        ({"input": ""}, "empty string"),
        ({"speed": 5}, "above maximum value"),
        ({"response_format": "midi"}, "Invalid value: 'midi'"),
        ({"stream_format": "sse"}, "stream_format 'sse' is not supported with this model."),
    ],
)
async def test_what_openai_refuses_is_refused(more: dict[str, Any], message: str) -> None:
    async with upstream() as up:
        await expect_refusal(up, ("POST", "/audio/speech", {**_SPEECH, **more}, 400, message))
