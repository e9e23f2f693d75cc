"""What OpenAI refuses of requests for images, by the model's family."""

from collections.abc import Mapping

from tidegate.simulator.answers.reply import Json
from tidegate.simulator.checks import refusals
from tidegate.simulator.checks.shapes import Flag, Number, Object, Text
from tidegate.simulator.refusal import invalid

_GPT_SIZES = ("1024x1024", "1024x1536", "1536x1024", "auto")
_SIZES: Mapping[str, tuple[str, ...]] = {
    "dall-e-2": ("256x256", "512x512", "1024x1024"),
    "dall-e-3": ("1024x1024", "1024x1792", "1792x1024"),
}
_QUALITIES: Mapping[str, tuple[str, ...]] = {"dall-e-2": ("standard",), "dall-e-3": ("standard", "hd")}
_GPT_QUALITIES = ("low", "medium", "high", "auto")
_LONGEST_PROMPT: Mapping[str, int] = {"dall-e-2": 1000, "dall-e-3": 4000}
_GPT_PROMPT = 32_000
_ONLY_GPT = (
    "background", "input_fidelity", "moderation", "output_compression", "output_format", "partial_images", "stream"
)  # fmt: skip
_SHAPE = Object(
    fields={
        "prompt": Text(least=1),
        "model": Text(),
        "n": Number(minimum=1, maximum=10, whole=True),
        "size": Text(),
        "quality": Text(),
        "response_format": Text(values=("url", "b64_json")),
        "style": Text(values=("vivid", "natural")),
        "background": Text(values=("transparent", "opaque", "auto")),
        "output_format": Text(values=("png", "jpeg", "webp")),
        "output_compression": Number(minimum=0, maximum=100, whole=True),
        "partial_images": Number(minimum=0, maximum=3, whole=True),
        "moderation": Text(values=("low", "auto")),
        "stream": Flag(),
        "user": Text(),
    },
)
_NUMBERS = ("n", "output_compression", "partial_images")


def with_types(fields: Json) -> Json:
    """Return a form's fields with numbers and flags instead of texts."""
    typed = dict(fields)
    for name in _NUMBERS:
        if isinstance(fields.get(name), str) and fields[name].lstrip("-").isdecimal():
            typed[name] = int(fields[name])
    if fields.get("stream") in ("true", "false"):
        typed["stream"] = fields["stream"] == "true"
    return {name: value for name, value in typed.items() if value is not None}


def check_image_request(fields: Json, model: str, *, prompt: bool = True) -> None:
    """Raise Refusal for what the model does not take; `prompt` is whether it needs one."""
    if prompt and fields.get("prompt") is None:
        raise refusals.missing("prompt")
    _SHAPE.check("", fields)
    is_gpt = model not in _SIZES
    if is_gpt and fields.get("response_format") is not None:
        raise refusals.unknown("response_format")
    for name in () if is_gpt else _ONLY_GPT:
        if fields.get(name):
            raise refusals.unknown(name)
    _check_value("size", fields, _SIZES.get(model, _GPT_SIZES))
    _check_value("quality", fields, _QUALITIES.get(model, _GPT_QUALITIES))
    longest = _LONGEST_PROMPT.get(model, _GPT_PROMPT)
    if len(fields.get("prompt") or "") > longest:
        raise refusals.too_long("prompt", len(fields["prompt"]), longest, "string")
    if model == "dall-e-3" and fields.get("n", 1) != 1:
        raise invalid("You must provide n=1 for this model.", param="n")
    if fields.get("background") == "transparent" and fields.get("output_format") == "jpeg":
        raise invalid("Transparent background is not supported for the output format 'jpeg'.", param="background")


def _check_value(name: str, fields: Json, values: tuple[str, ...]) -> None:
    value = fields.get(name)
    if value is not None and value not in values and not (name == "size" and _is_free_size(value, values)):
        raise refusals.wrong_value(name, value, values)


def _is_free_size(value: str, values: tuple[str, ...]) -> bool:
    """Return whether it is a size that newer GPT image models take: each edge a multiple of 16."""
    width, _, height = value.partition("x")
    edges = [int(edge) for edge in (width, height) if edge.isdecimal()]
    return "auto" in values and len(edges) == 2 and all(0 < edge <= 3840 and edge % 16 == 0 for edge in edges)
