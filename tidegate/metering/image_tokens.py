"""The most tokens that one image of a hosted tool may have, by its model, size and quality. Pure.

Sources: OpenAI, "Image generation", the table of the first models, and its cost calculator for the later ones.
"""

import re

from tidegate.core.values import Usage
from tidegate.wire.charges.images import ImageRequest

_FIRST_MODELS = ("gpt-image-1", "chatgpt-image-1")
"""The beginning of the names of models with a table of three sizes."""
_FIRST_TOKENS = {
    "low": {"1024x1024": 272, "1024x1536": 408, "1536x1024": 400},
    "medium": {"1024x1024": 1056, "1024x1536": 1584, "1536x1024": 1568},
    "high": {"1024x1024": 4160, "1024x1536": 6240, "1536x1024": 6208},
}
_STANDARD_SIZES = ("1024x1024", "1024x1536", "1536x1024")
"""The sizes among which a model chooses that is left to choose."""
_STEPS = {"low": 16, "medium": 48, "high": 96}
_STEPS_2_5 = {"low": 16, "medium": 24, "high": 48, "xhigh": 64, "max": 96}
"""Tokens along the longer side, by quality: of the models since gpt-image-2, and since gpt-image-2.5."""
_MOST_STEPS = 96
_AREA_OFFSET, _AREA_SCALE = 2_000_000, 4_000_000
_MAX_SIDE, _MAX_PIXELS = 3840, 3840 * 2160
_SIZE = re.compile(r"([1-9][0-9]{1,3})x([1-9][0-9]{1,3})")
_PREVIEW_TOKENS = 100
_PROMPT_TOKENS = 1_000
"""Tokens of the prompt that the model writes for an image, beside what the caller wrote."""
_MAX_PROMPT_TOKENS = 32_000
"""A prompt has at most so many characters, and so at most as many tokens."""
_INPUT_IMAGE_TOKENS = 6_500
"""The most tokens of one image in the input: one of high fidelity."""


def max_image_usage(request: ImageRequest, *, input_tokens: int, input_images: int) -> Usage:
    """Return the most tokens that one image may be charged for.

    `input_tokens` are those of the whole call, which the prompt may repeat. `input_images` are the images among them.
    """
    read = input_images * _INPUT_IMAGE_TOKENS
    written = max_image_tokens(request)
    return Usage(
        input=min(input_tokens + _PROMPT_TOKENS, _MAX_PROMPT_TOKENS) + read,
        input_image=read,
        output=written,
        output_image=written,
    )


def max_image_tokens(request: ImageRequest) -> int:
    """Return the most tokens of the image itself and of its previews.

    What the request leaves to the model counts as the dearest of the standard sizes, and as the highest quality.
    """
    size, quality = request.size.lower(), request.quality.lower()
    sizes = (size,) if _sides(size) else _STANDARD_SIZES
    known = request.model.lower().startswith("gpt-image-")
    is_first = request.model.lower().startswith(_FIRST_MODELS)
    found = [_first_tokens(each, quality) for each in sizes] if is_first or not known else []
    if not is_first:
        found += [_later_tokens(request.model.lower(), each, quality) for each in sizes]
    return max(found) + request.previews * _PREVIEW_TOKENS


def _first_tokens(size: str, quality: str) -> int:
    by_size = _FIRST_TOKENS.get(quality, _FIRST_TOKENS["high"])
    return by_size.get(size) or max(by_size.values())


def _later_tokens(model: str, size: str, quality: str) -> int:
    """Return the tokens of models that make images of any size."""
    steps = (_STEPS_2_5 if model.startswith("gpt-image-2.5") else _STEPS).get(quality, _MOST_STEPS)
    width, height = _sides(size) or (_MAX_SIDE, _MAX_SIDE)
    longer, shorter = max(width, height), min(width, height)
    across = (2 * steps * shorter + longer) // (2 * longer)  # rounded half up
    pixels = min(width * height, _MAX_PIXELS)
    return -(-steps * across * (_AREA_OFFSET + pixels) // _AREA_SCALE)


def _sides(size: str) -> tuple[int, int] | None:
    found = _SIZE.fullmatch(size)
    return (int(found[1]), int(found[2])) if found else None
