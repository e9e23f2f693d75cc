"""Text, images, files and audio are translated; a part that chat does not support is rejected by its place."""

from typing import Any

import pytest

from tidegate.core.errors import InvalidParameter, NotTranslatable
from tidegate.wire.translate.parts import assistant_content, content_of, output_of

Json = dict[str, Any]

TEXT: Json = {"type": "input_text", "text": "look"}
CHAT_TEXT: Json = {"type": "text", "text": "look"}
PICTURE: Json = {"type": "input_image", "image_url": "data:image/png;base64,aGk=", "detail": "low"}
SOUND: Json = {"data": "aGk=", "format": "wav"}
BREAK: Json = {"prompt_cache_breakpoint": {"mode": "explicit"}}


@pytest.mark.parametrize(
    ("content", "sent"),
    [
        ("look", "look"),
        ([TEXT], "look"),
        ([TEXT, TEXT], [CHAT_TEXT, CHAT_TEXT]),
        ([{**TEXT, **BREAK}], [{**CHAT_TEXT, **BREAK}]),
        (
            [TEXT, PICTURE],
            [CHAT_TEXT, {"type": "image_url", "image_url": {"url": PICTURE["image_url"], "detail": "low"}}],
        ),
        (
            [{"type": "input_image", "image_url": "https://example.com/x.png", "file_id": None}],
            [{"type": "image_url", "image_url": {"url": "https://example.com/x.png"}}],
        ),
        (
            [{"type": "input_file", "file_data": "aGk=", "filename": "x.pdf"}],
            [{"type": "file", "file": {"file_data": "aGk=", "filename": "x.pdf"}}],
        ),
        ([{"type": "input_file", "file_id": "file-1"}], [{"type": "file", "file": {"file_id": "file-1"}}]),
        ([{"type": "input_audio", "input_audio": SOUND}], [{"type": "input_audio", "input_audio": SOUND}]),
        ([], []),
    ],
)
def test_what_is_said_crosses_over(content: Any, sent: Any) -> None:
    assert content_of(content, "at") == sent


@pytest.mark.parametrize(
    "part",
    [
        {"type": "input_image", "file_id": "file-1"},
        {"type": "input_file", "file_url": "https://example.com/x.pdf"},
        {"type": "input_video"},
        {},
    ],
)
def test_what_chat_cannot_take_is_refused_where_it_stands(part: Json) -> None:
    with pytest.raises(NotTranslatable) as refused:
        content_of([TEXT, part], "input[3].content")
    assert refused.value.param == "input[3].content[1]"


@pytest.mark.parametrize("content", [None, 7, ["x"], [{"type": "input_text"}], [{"type": "input_audio"}]])
def test_a_mistake_is_the_callers(content: Any) -> None:
    with pytest.raises(InvalidParameter):
        content_of(content, "at")


def test_of_a_tool_there_is_only_text() -> None:
    assert output_of("ok", "at") == output_of([{"type": "input_text", "text": "ok"}], "at") == "ok"
    assert output_of([TEXT, TEXT], "at") == [CHAT_TEXT, CHAT_TEXT]
    with pytest.raises(NotTranslatable, match="only text from a tool"):
        output_of([TEXT, PICTURE], "at")


def test_the_assistant_speaks_or_refuses() -> None:
    spoken: list[Json] = [{"type": "output_text", "text": "a"}, {"type": "output_text", "text": "b"}]
    assert assistant_content("a", "at") == {"content": "a"}
    assert assistant_content(spoken, "at") == {"content": "ab"}
    assert assistant_content([{"type": "refusal", "refusal": "no"}], "at") == {"content": None, "refusal": "no"}
    with pytest.raises(NotTranslatable):
        assistant_content([PICTURE], "at")
