"""A request for images is checked by what its model takes."""

from typing import Any

import pytest

from tidegate.simulator.refusal import Refusal
from tidegate.simulator.resources.media.image_checks import check_image_request, with_types


@pytest.mark.parametrize(
    ("model", "more", "message"),
    [
        ("gpt-image-1", {"prompt": None}, "Missing required parameter: 'prompt'"),
        ("gpt-image-1", {"prompt": ""}, "Invalid 'prompt': empty string"),
        ("gpt-image-1", {"response_format": "url"}, "Unknown parameter: 'response_format'"),
        ("gpt-image-1", {"size": "100x100"}, "Invalid value: '100x100'"),
        ("gpt-image-1", {"quality": "hd"}, "Invalid value: 'hd'"),
        ("gpt-image-1", {"n": 11}, "above maximum value"),
        ("gpt-image-1", {"partial_images": 4}, "above maximum value"),
        ("gpt-image-1", {"background": "transparent", "output_format": "jpeg"}, "not supported for the output format"),
        ("dall-e-3", {"n": 2}, "You must provide n=1 for this model."),
        ("dall-e-3", {"stream": True}, "Unknown parameter: 'stream'"),
        ("dall-e-2", {"size": "1024x1792"}, "Invalid value: '1024x1792'"),
        ("dall-e-2", {"prompt": "a" * 1001}, "string too long"),
    ],
)
def test_what_the_model_does_not_take_is_refused(model: str, more: dict[str, Any], message: str) -> None:
    with pytest.raises(Refusal, match=message):
        check_image_request({"prompt": "a tide", **more}, model)


@pytest.mark.parametrize("size", ["1024x1536", "auto", "1536x864", "3840x2160"])
def test_gpt_models_take_further_sizes(size: str) -> None:
    check_image_request({"prompt": "a", "size": size}, "gpt-image-2")


def test_a_forms_texts_become_numbers_and_flags() -> None:
    fields = with_types({"n": "2", "stream": "true", "prompt": "3", "user": None})
    assert fields == {"n": 2, "stream": True, "prompt": "3"}
