"""An image is held with the tokens that OpenAI publishes for its model, size and quality, and never with fewer."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.core.values import Usage
from tidegate.metering.image_tokens import max_image_tokens, max_image_usage
from tidegate.wire.charges.images import ImageRequest


@pytest.mark.parametrize(
    ("model", "size", "quality", "tokens"),
    [
        ("gpt-image-1", "1024x1024", "low", 272),
        ("gpt-image-1-mini", "1536x1024", "medium", 1568),
        ("gpt-image-1.5-2025-12-16", "1024x1536", "high", 6240),
        ("gpt-image-1", "auto", "low", 408),
        ("gpt-image-1", "auto", "auto", 6240),
        ("gpt-image-1", "2048x2048", "low", 408),
        ("gpt-image-2", "1024x1024", "low", 196),
        ("gpt-image-2", "1536x1024", "low", 158),
        ("gpt-image-2", "1024x1024", "medium", 1756),
        ("gpt-image-2-2026-04-21", "1536x1024", "medium", 1372),
        ("gpt-image-2", "1024x1024", "high", 7024),
        ("gpt-image-2", "1024x1536", "high", 5488),
        ("gpt-image-2", "1792x1024", "high", 5063),
        ("gpt-image-2", "2560x1440", "low", 205),
        ("gpt-image-2", "3472x1488", "low", 201),
        ("gpt-image-2", "auto", "auto", 7024),
        ("gpt-image-2.5-flare", "1024x1024", "medium", 439),
        ("gpt-image-2.5-sunburst", "1024x1024", "high", 1756),
        ("gpt-image-2.5-sunburst", "1024x1024", "max", 7024),
        ("gpt-image-2.5-sunburst", "auto", "auto", 7024),
        ("my-images", "1024x1024", "low", 272),
        ("my-images", "1024x1024", "high", 7024),
    ],
)
def test_an_image_has_the_published_tokens(model: str, size: str, quality: str, tokens: int) -> None:
    assert max_image_tokens(ImageRequest(model=model, size=size, quality=quality)) == tokens


def test_each_preview_and_the_input_come_on_top() -> None:
    request = ImageRequest(model="gpt-image-1", size="1024x1024", quality="low", previews=3)

    usage = max_image_usage(request, input_tokens=50, input_images=2)

    assert usage == Usage(input=14_050, input_image=13_000, output=572, output_image=572)
    assert max_image_usage(request, input_tokens=400_000, input_images=0).input == 32_000


@given(model=st.text() | st.sampled_from(["gpt-image-1", "gpt-image-2"]), size=st.text(), quality=st.text())
def test_no_request_is_held_with_less_than_a_small_image(model: str, size: str, quality: str) -> None:
    assert max_image_tokens(ImageRequest(model=model, size=size, quality=quality)) >= 40
