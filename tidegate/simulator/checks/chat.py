"""The shape of a chat completion's request."""

from collections.abc import Mapping

from tidegate.simulator.checks.shapes import Array, Either, Number, Object, Shape, Tagged, Text
from tidegate.simulator.checks.shared_parameters import (
    ANY_OBJECT,
    COMMON,
    DETAIL,
    EFFORTS,
    FLAG,
    TEXT,
    VERBOSITY,
    WORD,
    content,
)

_TEXT_PART = Object(fields={"text": TEXT}, required=("text",))
_REFUSAL_PART = Object(fields={"refusal": TEXT}, required=("refusal",))
_IMAGE_URL = Object(fields={"url": TEXT, "detail": DETAIL}, required=("url",))
_IMAGE = Object(fields={"image_url": _IMAGE_URL}, required=("image_url",))
_AUDIO_DATA = Object(fields={"data": TEXT, "format": Text(values=("wav", "mp3"))}, required=("data", "format"))
_AUDIO = Object(fields={"input_audio": _AUDIO_DATA}, required=("input_audio",))
_FILE = Object(fields={"file": ANY_OBJECT}, required=("file",))
_USER_PARTS = Tagged(kinds={"text": _TEXT_PART, "image_url": _IMAGE, "input_audio": _AUDIO, "file": _FILE})
_ASSISTANT_PARTS = Tagged(kinds={"text": _TEXT_PART, "refusal": _REFUSAL_PART})
_TEXT_PARTS = Tagged(kinds={"text": _TEXT_PART})

_CALLED = Object(fields={"name": Text(least=1), "arguments": TEXT}, required=("name", "arguments"))
_CUSTOM_CALLED = Object(fields={"name": Text(least=1), "input": TEXT}, required=("name", "input"))
_TOOL_CALL = Tagged(
    kinds={
        "function": Object(fields={"id": TEXT, "function": _CALLED}, required=("id", "function")),
        "custom": Object(fields={"id": TEXT, "custom": _CUSTOM_CALLED}, required=("id", "custom")),
    }
)
_SPOKEN = {"role": TEXT, "name": Text(least=1, pattern=r"^[^\s<|\\/>]+$")}
_INSTRUCTIONS = Object(fields={**_SPOKEN, "content": content(_TEXT_PARTS)}, required=("content",))
_ASSISTANT = {
    **_SPOKEN,
    "content": content(_ASSISTANT_PARTS),
    "refusal": TEXT,
    "tool_calls": Array(items=_TOOL_CALL, least=1, most=128),
    "function_call": _CALLED,
}
_MESSAGE = Tagged(
    tag="role",
    kinds={
        "system": _INSTRUCTIONS,
        "assistant": Object(fields=_ASSISTANT),
        "user": Object(fields={**_SPOKEN, "content": content(_USER_PARTS)}, required=("content",)),
        "function": Object(fields=_SPOKEN, required=("name",)),
        "tool": Object(
            fields={"tool_call_id": TEXT, "content": content(_TEXT_PARTS)}, required=("content", "tool_call_id")
        ),
        "developer": _INSTRUCTIONS,
    },
)

_FUNCTION = Object(
    fields={"name": WORD, "description": TEXT, "parameters": ANY_OBJECT, "strict": FLAG},
    required=("name",),
    others=False,
)
_CUSTOM = Object(fields={"name": WORD, "description": TEXT, "format": ANY_OBJECT}, required=("name",))
_TOOL = Tagged(
    kinds={
        "function": Object(fields={"function": _FUNCTION}, required=("function",)),
        "custom": Object(fields={"custom": _CUSTOM}, required=("custom",)),
    }
)
_JSON_SCHEMA = Object(
    fields={"name": WORD, "description": TEXT, "schema": ANY_OBJECT, "strict": FLAG}, required=("name",)
)
_FORMAT = Tagged(
    kinds={
        "json_object": ANY_OBJECT,
        "json_schema": Object(fields={"json_schema": _JSON_SCHEMA}, required=("json_schema",)),
        "text": ANY_OBJECT,
    }
)
_FORMATS_OF_AUDIO = Text(values=("wav", "aac", "mp3", "flac", "opus", "pcm16"))
_CHOICE = Either((Text(values=("none", "auto", "required")), ANY_OBJECT), "one of a string or an object")
_STOP = Either((TEXT, Array(items=TEXT, least=1, most=4)), "one of a string or an array of strings")
_PENALTY = Number(minimum=-2, maximum=2)
_COUNT = Number(minimum=1, whole=True)

_FIELDS: Mapping[str, Shape] = {
    **COMMON,
    "audio": Object(fields={"format": _FORMATS_OF_AUDIO}, required=("voice", "format")),
    "frequency_penalty": _PENALTY,
    "function_call": Either((Text(values=("none", "auto")), ANY_OBJECT), "one of a string or an object"),
    "functions": Array(items=_FUNCTION, least=1, most=128),
    "logit_bias": ANY_OBJECT,
    "logprobs": FLAG,
    "max_completion_tokens": _COUNT,
    "max_tokens": _COUNT,
    "messages": Array(items=_MESSAGE, least=1, description="an array of objects"),
    "modalities": Array(items=Text(values=("text", "audio"))),
    "n": Number(minimum=1, maximum=128, whole=True),
    "prediction": ANY_OBJECT,
    "presence_penalty": _PENALTY,
    "reasoning_effort": EFFORTS,
    "response_format": _FORMAT,
    "seed": Number(whole=True),
    "stop": _STOP,
    "tool_choice": _CHOICE,
    "tools": Array(items=_TOOL, least=1, most=128),
    "verbosity": VERBOSITY,
    "web_search_options": ANY_OBJECT,
}
CHAT = Object(fields=_FIELDS, required=("messages",), others=False)
