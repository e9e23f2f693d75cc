"""Images cost their tokens, or their number and size, and what OpenAI refuses is refused."""

from typing import Any

import pytest

from tests.simulator.client import upstream
from tests.simulator.resources.asking import ask, expect_refusal, form
from tidegate.simulator.resources.media.pictures import picture

_PNG = ("a.png", picture("a", 8, 8))


@pytest.mark.parametrize(
    ("body", "nanos"),
    [
        ({"model": "gpt-image-1", "prompt": "a tide", "quality": "low"}, 2 * 5_000 + 272 * 40_000),
        ({"model": "gpt-image-1", "prompt": "a tide", "n": 2}, 2 * 5_000 + 2 * 1056 * 40_000),
        (
            {"model": "gpt-image-1", "prompt": "a tide", "stream": True, "partial_images": 2, "quality": "low"},
            2 * 5_000 + (272 + 200) * 40_000,
        ),
        ({"prompt": "a tide", "n": 3, "size": "512x512"}, 54_000_000),
        ({"model": "dall-e-3", "prompt": "a tide", "quality": "hd", "size": "1792x1024"}, 120_000_000),
    ],
)
async def test_the_bill_has_the_price_of_what_was_made(body: dict[str, Any], nanos: int) -> None:
    async with upstream() as up:
        async with up.post("/images/generations", body) as answer:
            assert answer.status == 200
            await answer.read()
        assert (await up.stats())["cost_nanos"] == nanos


async def test_an_image_that_is_edited_is_read_and_charged() -> None:
    async with upstream() as up:
        _, made = await ask(up, "POST", "/images/edits", form(prompt="a tide", image=_PNG, model="gpt-image-1"))
        assert made["usage"]["input_tokens_details"] == {"text_tokens": 2, "image_tokens": 323}
        assert (await up.stats())["cost_nanos"] == 2 * 5_000 + 323 * 10_000 + 1056 * 40_000


async def test_an_edit_may_name_its_images_in_json() -> None:
    async with upstream() as up:
        body = {"prompt": "a", "model": "gpt-image-1", "images": [{"image_url": "https://example.com/a.png"}]}
        assert (await ask(up, "POST", "/images/edits", body))[0] == 200


@pytest.mark.parametrize(
    ("path", "fields", "message"),
    [
        ("/images/edits", {"prompt": "a"}, "Missing required parameter: 'image'"),
        ("/images/edits", {"prompt": "a", "image": ("a.txt", b"text")}, "unsupported mimetype"),
        ("/images/edits", {"prompt": "a", "image": _PNG, "model": "dall-e-3"}, "Value must be 'dall-e-2' or a GPT"),
        ("/images/variations", {"n": "1"}, "Missing required parameter: 'image'"),
        ("/images/variations", {"image": _PNG, "model": "gpt-image-1"}, "Value must be 'dall-e-2'."),
    ],
)
async def test_what_openai_refuses_is_refused(path: str, fields: dict[str, Any], message: str) -> None:
    async with upstream() as up:
        await expect_refusal(up, ("POST", path, form(**fields), 400, message))


async def test_a_fault_breaks_a_stream_of_images() -> None:
    body = {"model": "gpt-image-1", "prompt": "a", "stream": True, "partial_images": 3}
    async with upstream() as up, up.post("/images/generations", body, x_simulate_fault="error_in_stream") as answer:
        text = (await answer.read()).decode()
    assert text.count("partial_image_index") == 2
    assert "event: error" in text
