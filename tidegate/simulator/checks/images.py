"""Images in a request: an address, or a data URL with a picture that OpenAI reads."""

import base64
import binascii
from collections.abc import Iterator, Mapping
from typing import Any

from tidegate.simulator.refusal import Refusal, invalid

_MEDIA_TYPES = ("image/png", "image/jpeg", "image/jpg", "image/gif", "image/webp")
_BEGINNINGS = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF8", b"RIFF")
_EXAMPLE = "data:image/png;base64,aW1nIGJ5dGVzIGhlcmU="


def check_images(route: str, body: Mapping[str, Any]) -> None:
    """Raise Refusal for the first image that OpenAI cannot read; it is not fetched."""
    for at, url in _images(route, body):
        if url.startswith("data:"):
            _check_data(at, url)
        elif not url.startswith(("http://", "https://")):
            message = f"Invalid '{at}'. Expected a valid URL, but got a value with an invalid format."
            raise invalid(message, param=at, code="invalid_value")


def _images(route: str, body: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    if route in ("embeddings", "moderations"):
        parts = body.get("input")
        yield from _in_parts("input", parts if isinstance(parts, list) else [])
        return
    name = "messages" if route == "chat" else "input"
    items = body.get(name)
    for number, item in enumerate(items if isinstance(items, list) else ()):
        for field in ("content", "output"):
            if isinstance(item.get(field), list):
                yield from _in_parts(f"{name}[{number}].{field}", item[field])


def _in_parts(at: str, parts: list[Any]) -> Iterator[tuple[str, str]]:
    for number, part in enumerate(parts):
        url = part.get("image_url") if isinstance(part, Mapping) else None
        if isinstance(url, str):
            yield f"{at}[{number}].image_url", url
        elif isinstance(url, Mapping) and isinstance(url.get("url"), str):
            yield f"{at}[{number}].image_url.url", url["url"]


def _check_data(at: str, url: str) -> None:
    head, _, data = url.partition(",")
    media_type, _, encoding = head.removeprefix("data:").lower().partition(";")
    if media_type not in _MEDIA_TYPES or not encoding.endswith("base64"):
        raise _not_an_image(at, "got unsupported MIME type", code="unsupported_image_media_type")
    if not data:
        raise _not_an_image(at, "got empty base64-encoded bytes", code="empty_image_file")
    try:
        picture = base64.b64decode(data, validate=True)
    except binascii.Error:
        raise _not_an_image(at, "got invalid base64-encoded bytes", code="invalid_base64_image") from None
    if not picture.startswith(_BEGINNINGS):
        message = "You uploaded an unsupported image. Please make sure your image has of one the following formats: "
        raise invalid(f"{message}['png', 'jpeg', 'gif', 'webp'].", code="invalid_image_format")


def _not_an_image(at: str, reason: str, *, code: str) -> Refusal:
    expected = f"Expected a base64-encoded data URL with an image MIME type (e.g. '{_EXAMPLE}'), but {reason}."
    return invalid(f"Invalid '{at}'. {expected}", param=at, code=code)
