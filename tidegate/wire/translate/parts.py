"""The parts of a message's content, from Responses to chat: text, images, files, sound, refusals."""

from collections.abc import Callable, Mapping
from typing import Any

from tidegate.core.errors import NotTranslatable, WrongType

Json = dict[str, Any]

_TEXTS = ("input_text", "output_text", "text")


def content_of(content: Any, at: str) -> str | list[Json]:
    """What a user or the system says; a single text comes as a string, which every provider takes."""
    if isinstance(content, str):
        return content
    parts = [_part(part, f"{at}[{number}]") for number, part in enumerate(_list(content, at))]
    if len(parts) == 1 and parts[0].keys() == {"type", "text"}:
        return str(parts[0]["text"])
    return parts


def output_of(output: Any, at: str) -> str | list[Json]:
    """What a tool gave back: text only, chat takes nothing else of a tool."""
    content = content_of(output, at)
    if isinstance(content, list):
        for number, part in enumerate(content):
            if part["type"] != "text":
                raise NotTranslatable(
                    f"`{at}[{number}]` is no text, and chat completions take only text of a tool.", param=at
                )
    return content


def assistant_content(content: Any, at: str) -> Json:
    """The assistant's `content`, and its `refusal` if it refused."""
    if isinstance(content, str):
        return {"content": content}
    texts: list[str] = []
    refusals: list[str] = []
    for number, part in enumerate(_list(content, at)):
        place = f"{at}[{number}]"
        if part.get("type") == "refusal":
            refusals.append(_text(part, "refusal", place))
        elif part.get("type") in _TEXTS:
            texts.append(_text(part, "text", place))
        else:
            raise NotTranslatable(
                f"`{place}` is a `{part.get('type')}`, which no assistant's message in chat has.", param=place
            )
    said: Json = {"content": "".join(texts) if texts else None}
    return {**said, "refusal": "".join(refusals)} if refusals else said


def _part(part: Mapping[str, Any], at: str) -> Json:
    make = _PARTS.get(str(part.get("type")))
    if make is None:
        raise NotTranslatable(f"`{at}` is a `{part.get('type')}`, which no message in chat has.", param=at)
    breakpoint_ = part.get("prompt_cache_breakpoint")
    return make(part, at) | ({"prompt_cache_breakpoint": breakpoint_} if breakpoint_ is not None else {})


def _text_part(part: Mapping[str, Any], at: str) -> Json:
    return {"type": "text", "text": _text(part, "text", at)}


def _image(part: Mapping[str, Any], at: str) -> Json:
    if part.get("image_url") is None:
        raise NotTranslatable(f"`{at}` has no `image_url`: chat completions take no image by its file id.", param=at)
    image = {"url": _text(part, "image_url", at)}
    if part.get("detail") is not None:
        image["detail"] = part["detail"]
    return {"type": "image_url", "image_url": image}


def _file(part: Mapping[str, Any], at: str) -> Json:
    if part.get("file_url") is not None:
        raise NotTranslatable(f"`{at}` has a `file_url`: chat completions take no file by its address.", param=at)
    names = ("file_data", "file_id", "filename")
    return {"type": "file", "file": {name: part[name] for name in names if part.get(name) is not None}}


def _audio(part: Mapping[str, Any], at: str) -> Json:
    if not isinstance(part.get("input_audio"), Mapping):
        raise WrongType.of(f"{at}.input_audio", "an object", part.get("input_audio"))
    return {"type": "input_audio", "input_audio": dict(part["input_audio"])}


_PARTS: dict[str, Callable[[Mapping[str, Any], str], Json]] = {
    **dict.fromkeys(_TEXTS, _text_part),
    "input_image": _image,
    "input_file": _file,
    "input_audio": _audio,
}


def _list(content: Any, at: str) -> list[Mapping[str, Any]]:
    if not isinstance(content, list):
        raise WrongType.of(at, "a string or an array of objects", content)
    for number, part in enumerate(content):
        if not isinstance(part, Mapping):
            raise WrongType.of(f"{at}[{number}]", "an object", part)
    return content


def _text(part: Mapping[str, Any], name: str, at: str) -> str:
    value = part.get(name)
    if not isinstance(value, str):
        raise WrongType.of(f"{at}.{name}", "a string", value)
    return value
