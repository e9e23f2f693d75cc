"""Read which images a hosted tool is to make, or has made: the model, the size and the quality of each."""

from collections.abc import Mapping
from typing import Any

import msgspec

Json = Mapping[str, Any]

IMAGE_TOOL = "image_generation"
DEFAULT_IMAGE_MODEL = "gpt-image-1"
"""The model of a tool that names none (OpenAI, "Image generation tool"); it is also the dearest by token."""
_IMAGE_ITEMS = ("image_generation_call", "input_image")
_MAX_DEPTH = 4
"""Levels of lists within an input at which there are images: items, their content, and the output of a tool."""


class ImageRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What one image is to be."""

    model: str = DEFAULT_IMAGE_MODEL
    size: str = "auto"
    """`WIDTHxHEIGHT` in pixels; anything else leaves it to the model."""
    quality: str = "auto"
    previews: int = 0
    """Partial images that are sent before it."""


def image_request(tool: Json, item: Json | None = None) -> ImageRequest:
    """Return what a tool makes; an `item` of the answer says it more precisely."""
    made = item or {}
    return ImageRequest(
        model=_text(tool.get("model")) or DEFAULT_IMAGE_MODEL,
        size=_text(made.get("size")) or _text(tool.get("size")) or "auto",
        quality=_text(made.get("quality")) or _text(tool.get("quality")) or "auto",
        previews=_count(tool.get("partial_images")),
    )


def input_image_count(body: Json) -> int:
    """Return the number of images in a request's input, and of those that earlier calls of the tool made."""
    tools = body.get("tools")
    masks = [tool for tool in tools if isinstance(tool, dict) and tool.get("input_image_mask")] if tools else []
    return _images_in(body.get("input"), _MAX_DEPTH) + len(masks)


def _images_in(value: Any, depth: int) -> int:
    if isinstance(value, list):
        return sum(_images_in(each, depth - 1) for each in value) if depth else 0
    if not isinstance(value, dict):
        return 0
    own = 1 if value.get("type") in _IMAGE_ITEMS else 0
    return own + sum(_images_in(value.get(name), depth) for name in ("content", "output"))


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _count(value: Any) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else 0
