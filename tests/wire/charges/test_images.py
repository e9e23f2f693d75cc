"""What an image is to be is read from its tool and its item, and the images of an input are counted."""

from typing import Any

import pytest

from tidegate.wire.charges.images import DEFAULT_IMAGE_MODEL, ImageRequest, image_request, input_image_count

IMAGE, TEXT = {"type": "input_image"}, {"type": "input_text", "text": "tide"}


@pytest.mark.parametrize(
    ("tool", "item", "request_of"),
    [
        ({}, None, ImageRequest(model=DEFAULT_IMAGE_MODEL, size="auto", quality="auto")),
        ({"model": "m", "size": "1x1", "quality": "low"}, None, ImageRequest(model="m", size="1x1", quality="low")),
        (
            {"size": "1x1", "quality": "low"},
            {"size": "2x2", "quality": "high"},
            ImageRequest(size="2x2", quality="high"),
        ),
        ({"partial_images": 2}, {}, ImageRequest(previews=2)),
        ({"model": 7, "size": [], "quality": {}, "partial_images": True}, {"size": None}, ImageRequest()),
    ],
)
def test_what_an_image_is_to_be(tool: dict[str, Any], item: dict[str, Any] | None, request_of: ImageRequest) -> None:
    assert image_request(tool, item) == request_of


@pytest.mark.parametrize(
    ("body", "count"),
    [
        ({}, 0),
        ({"input": "a picture of the tide"}, 0),
        ({"input": [{"role": "user", "content": [TEXT, IMAGE, IMAGE]}]}, 2),
        ({"input": [{"type": "image_generation_call"}, {"type": "function_call_output", "output": [IMAGE]}]}, 2),
        ({"input": [], "tools": [{"type": "image_generation", "input_image_mask": {"file_id": "f"}}]}, 1),
        ({"input": [[[[[[IMAGE]]]]]], "tools": "no"}, 0),
        ({"input": [None, 7, {"content": {"content": "x"}}], "tools": [None]}, 0),
    ],
)
def test_images_of_an_input_are_counted(body: dict[str, Any], count: int) -> None:
    assert input_image_count(body) == count
