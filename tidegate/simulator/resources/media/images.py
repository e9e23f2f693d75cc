"""Images: `/v1/images/generations`, `/v1/images/edits` and `/v1/images/variations`, whole and streamed."""

from fractions import Fraction

import msgspec

from tidegate.simulator.answers.counting import tokens_for
from tidegate.simulator.answers.hosted_tools import image_tokens
from tidegate.simulator.answers.reply import Json
from tidegate.simulator.billing.tariff import TokenUsage
from tidegate.simulator.checks import refusals
from tidegate.simulator.refusal import invalid
from tidegate.simulator.resources.calls import (
    MEGABYTE,
    ResourceAnswer,
    ResourceCall,
    ResourceCharge,
    ResourceRoute,
)
from tidegate.simulator.resources.media.image_checks import check_image_request, with_types
from tidegate.simulator.resources.media.pictures import picture_text

_PER_IMAGE = ("dall-e-2", "dall-e-3")
"""Models that are paid by the image."""
_INPUT_IMAGE_TOKENS = 323
"""Tokens of an image that is edited."""
_PARTIAL_TOKENS = 100
"""Tokens of each partial image."""
_MOST_IMAGES = 16
_MOST_IMAGE_BYTES = 50 * MEGABYTE
_SQUARE = "1024x1024"


class ImageOrder(msgspec.Struct, frozen=True, kw_only=True):
    """What a request for images asks for."""

    event: str
    """The beginning of its events' types."""
    model: str
    fields: Json
    input_images: int = 0

    @property
    def number(self) -> int:
        """Return how many images it asks for."""
        return int(self.fields.get("n") or 1)

    @property
    def size(self) -> str:
        """Return the size of its images."""
        size = str(self.fields.get("size") or _SQUARE)
        return _SQUARE if size == "auto" else size

    @property
    def look(self) -> Json:
        """Return what a GPT image model states of its images."""
        quality, background = self.fields.get("quality") or "auto", self.fields.get("background") or "auto"
        return {
            "size": self.size,
            "quality": "medium" if quality == "auto" else quality,
            "background": "opaque" if background == "auto" else background,
            "output_format": self.fields.get("output_format") or "png",
        }


def _generate(call: ResourceCall) -> ResourceAnswer:
    fields = with_types(call.json())
    asks_for_gpt = any(fields.get(name) for name in ("background", "moderation", "output_format", "stream"))
    model = fields.get("model") or ("gpt-image-1" if asks_for_gpt else "dall-e-2")
    check_image_request(fields, model)
    return _answer(call, ImageOrder(event="image_generation", model=model, fields=fields))


def _edit(call: ResourceCall) -> ResourceAnswer:
    fields = with_types(call.fields())
    number = len(call.files("image")) if call.is_form else len(fields.get("images") or ())
    if not number:
        raise refusals.missing("image" if call.is_form else "images")
    model = fields.get("model") or "gpt-image-1"
    most = 1 if model == "dall-e-2" else _MOST_IMAGES
    if number > most:
        raise refusals.too_long("image", number, most, "array")
    if model == "dall-e-3":
        raise invalid("Value must be 'dall-e-2' or a GPT image model.", param="model", code="invalid_value")
    _check_files(call)
    check_image_request(fields, model)
    return _answer(call, ImageOrder(event="image_edit", model=model, fields=fields, input_images=number))


def _vary(call: ResourceCall) -> ResourceAnswer:
    fields = with_types(call.fields())
    model = fields.get("model") or "dall-e-2"
    if not call.files("image"):
        raise refusals.missing("image")
    if model != "dall-e-2":
        raise invalid("Value must be 'dall-e-2'.", param="model", code="invalid_value")
    _check_files(call)
    check_image_request(fields, model, prompt=False)
    return _answer(call, ImageOrder(event="image_variation", model=model, fields=fields))


def _check_files(call: ResourceCall) -> None:
    for part in (*call.files("image"), *call.files("mask")):
        if len(part.data) > _MOST_IMAGE_BYTES:
            raise invalid("Image must be less than 50 MB.", param="image")
        if bytes(part.data[:4]) not in (b"\x89PNG", b"RIFF") and bytes(part.data[:3]) != b"\xff\xd8\xff":
            message = f"Invalid file '{part.filename}': unsupported mimetype. Supported file formats are"
            raise invalid(f"{message} 'image/jpeg', 'image/png', and 'image/webp'.", code="unsupported_file_mimetype")


def _answer(call: ResourceCall, order: ImageOrder) -> ResourceAnswer:
    if order.model in _PER_IMAGE:
        return _paid_by_image(call, order)
    prompt_tokens = tokens_for(order.model).count(order.fields["prompt"])
    read_images = order.input_images * _INPUT_IMAGE_TOKENS
    partial = int(order.fields.get("partial_images") or 0) if order.fields.get("stream") else 0
    each = image_tokens({"model": order.model, "size": order.size, "quality": order.look["quality"]})
    written = order.number * each + partial * _PARTIAL_TOKENS
    read = prompt_tokens + read_images
    usage = {
        "input_tokens": read, "output_tokens": written, "total_tokens": read + written,
        "input_tokens_details": {"text_tokens": prompt_tokens, "image_tokens": read_images},
        "output_tokens_details": {"text_tokens": 0, "image_tokens": written},
    }  # fmt: skip
    used = TokenUsage(input=read, input_image=read_images, output=written, output_image=written)
    charge = ResourceCharge(model=order.model, usage=used)
    if order.fields.get("stream"):
        return ResourceAnswer(events=tuple(_events(call, order, partial, usage)), named_events=True, charge=charge)
    data = [{"b64_json": picture_text(f"{call.digits}{at}", order.size)} for at in range(order.number)]
    return ResourceAnswer(body={"created": int(call.now), "data": data, **order.look, "usage": usage}, charge=charge)


def _events(call: ResourceCall, order: ImageOrder, partial: int, usage: Json) -> list[Json]:
    frame = {"created_at": int(call.now), **order.look}
    events = [
        {
            "type": f"{order.event}.partial_image", "partial_image_index": at,
            "b64_json": picture_text(f"{call.digits}p{at}", order.size), **frame,
        }
        for at in range(partial)
    ]  # fmt: skip
    ends = [
        {
            "type": f"{order.event}.completed", "b64_json": picture_text(f"{call.digits}{at}", order.size), **frame,
            "usage": usage,
        }
        for at in range(order.number)
    ]  # fmt: skip
    return [*events, *ends]


def _paid_by_image(call: ResourceCall, order: ImageOrder) -> ResourceAnswer:
    as_text = order.fields.get("response_format") == "b64_json"
    data: list[Json] = []
    for at in range(order.number):
        seed = f"{call.digits}{at}"
        where = (
            {"b64_json": picture_text(seed, order.size)} if as_text else {"url": f"https://images.invalid/{seed}.png"}
        )
        revised = {"revised_prompt": order.fields["prompt"]} if order.model == "dall-e-3" else {}
        data.append({**where, **revised})
    quality = order.fields.get("quality") or "standard"
    usage = TokenUsage(units=((f"image {quality} {order.size}", Fraction(order.number)),))
    charge = ResourceCharge(model=order.model, usage=usage)
    return ResourceAnswer(body={"created": int(call.now), "data": data}, charge=charge)


ROUTES = (
    ResourceRoute(label="images.generate", method="POST", path="/images/generations", handler=_generate),
    ResourceRoute(
        label="images.edit", method="POST", path="/images/edits", handler=_edit,
        most_bytes=(_MOST_IMAGES + 1) * _MOST_IMAGE_BYTES,
    ),
    ResourceRoute(
        label="images.create_variation", method="POST", path="/images/variations", handler=_vary,
        most_bytes=_MOST_IMAGE_BYTES + MEGABYTE,
    ),
)  # fmt: skip
