"""Translate the parts of a message's content to chat: text, images, files, audio, refusals."""

from collections.abc import Callable, Mapping
from typing import Any

from tidegate.core.errors import NotTranslatable, WrongType

Json = dict[str, Any]

EXTRA_CONTENT = "extra_content"
"""The field of a tool call in which Gemini sends its signature of the call."""
_TEXTS = ("input_text", "output_text", "text")


def content_of(content: Any, at: str) -> str | list[Json]:
    """Return the content of a user or system message; a single text as a string, which every provider accepts."""
    if isinstance(content, str):
        return content
    parts = [_part(part, f"{at}[{number}]") for number, part in enumerate(_list(content, at))]
    if len(parts) == 1 and parts[0].keys() == {"type", "text"}:
        return str(parts[0]["text"])
    return parts


def output_of(output: Any, at: str) -> str | list[Json]:
    """Return a tool's output: text only, because chat accepts nothing else from a tool."""
    content = content_of(output, at)
    if isinstance(content, list):
        for number, part in enumerate(content):
            if part["type"] != "text":
                raise NotTranslatable(
                    f"`{at}[{number}]` is not text, and chat completions accept only text from a tool.", param=at
                )
    return content


def assistant_content(content: Any, at: str) -> Json:
    """Return the `content` of an assistant message, and its `refusal` if there is one."""
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
                f"`{place}` is a `{part.get('type')}`, which assistant messages in chat do not support.",
                param=place,
            )
    message: Json = {"content": "".join(texts) if texts else None}
    return {**message, "refusal": "".join(refusals)} if refusals else message


def _part(part: Mapping[str, Any], at: str) -> Json:
    translate = _PARTS.get(str(part.get("type")))
    if translate is None:
        raise NotTranslatable(f"`{at}` is a `{part.get('type')}`, which chat completions do not support.", param=at)
    breakpoint_ = part.get("prompt_cache_breakpoint")
    return translate(part, at) | ({"prompt_cache_breakpoint": breakpoint_} if breakpoint_ is not None else {})


def _text_part(part: Mapping[str, Any], at: str) -> Json:
    return {"type": "text", "text": _text(part, "text", at)}


def _image(part: Mapping[str, Any], at: str) -> Json:
    if part.get("image_url") is None:
        raise NotTranslatable(f"`{at}` has no `image_url`: chat completions accept no image by its file id.", param=at)
    image = {"url": _text(part, "image_url", at)}
    if part.get("detail") is not None:
        image["detail"] = part["detail"]
    return {"type": "image_url", "image_url": image}


def _file(part: Mapping[str, Any], at: str) -> Json:
    if part.get("file_url") is not None:
        raise NotTranslatable(f"`{at}` has a `file_url`: chat completions accept no file by its address.", param=at)
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
