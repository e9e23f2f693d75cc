"""Translate a Responses request to a chat request. `docs/guides/translation.md` shows the tables below.

Source: OpenAI's API reference, "Create a model response" and "Create chat completion".
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from tidegate.core import endpoints
from tidegate.core.errors import NotTranslatable, WrongType
from tidegate.wire.call import Call
from tidegate.wire.translate.messages import messages_of
from tidegate.wire.translate.tools import tools_of

Json = dict[str, Any]

RENAMED_PARAMETERS: Mapping[str, str] = {"max_output_tokens": "max_completion_tokens"}
"""Parameters with another name in chat."""

REBUILT_PARAMETERS = frozenset({
    "model", "stream", "input", "instructions", "text", "reasoning", "include", "top_logprobs", "tools", "tool_choice",
    "parallel_tool_calls",
})  # fmt: skip
"""Parameters that have another form, or another place, in chat."""

GATEWAY_PARAMETERS = frozenset({"store", "metadata", "background"})
"""Parameters that the gateway implements itself; not sent to the provider."""

IGNORED_PARAMETERS = frozenset({"max_tool_calls", "truncation", "stream_options"})
"""Accepted and not sent: chat-only providers have no built-in tools, no truncation and no obfuscation."""

UNTRANSLATABLE_PARAMETERS = frozenset({
    "access_programs", "audio", "background_options", "context_management", "conversation", "generate", "image",
    "messages", "modalities", "moderation", "n", "previous_response_id", "prompt",
})  # fmt: skip
"""Parameters that would change the answer and that chat does not have: the request is rejected."""

INCLUDE_VALUES = frozenset({
    "message.output_text.logprobs", "reasoning.encrypted_content", "message.input_image.image_url",
    "computer_call_output.output.image_url", "web_search_call.action.sources", "web_search_call.results",
    "file_search_call.results", "code_interpreter_call.outputs",
})  # fmt: skip
"""Values of `include`; all but the log probabilities request output that no translated answer has."""

_LOGPROBS = "message.output_text.logprobs"


def wants_logprobs(body: Mapping[str, Any]) -> bool:
    """Whether the request asks for the tokens' log probabilities."""
    included = body.get("include")
    return (isinstance(included, list) and _LOGPROBS in included) or bool(body.get("top_logprobs"))


def chat_call(call: Call, *, reasoning_field: str | None = None) -> Call:
    """Return the Responses `call` as a chat call. Raises NotTranslatable or InvalidParameter."""
    body = chat_body(call.body, reasoning_field=reasoning_field)
    raw = {name: msgspec.Raw(msgspec.json.encode(value)) for name, value in body.items()}
    return msgspec.structs.replace(
        call, endpoint=endpoints.CHAT, body=body, raw=raw, wants_usage=True, is_translated=True
    )


def chat_body(request_body: Mapping[str, Any], *, reasoning_field: str | None = None) -> Json:
    """Return a Responses body as a chat body. Unknown parameters are passed through."""
    body = {name: value for name, value in request_body.items() if value is not None}
    for name in sorted(UNTRANSLATABLE_PARAMETERS & body.keys()):
        raise NotTranslatable(f"`{name}` cannot be translated to chat completions and back.", param=name)
    handled = REBUILT_PARAMETERS | GATEWAY_PARAMETERS | IGNORED_PARAMETERS
    unchanged = {RENAMED_PARAMETERS.get(name, name): value for name, value in body.items() if name not in handled}
    return {
        **unchanged,
        "model": body["model"],
        "messages": messages_of(body, reasoning_field=reasoning_field),
        **tools_of(body),
        **_text(body),
        **_reasoning(body),
        **_logprobs(body),
        **_stream(body),
    }


def _text(body: Json) -> Json:
    text = _object(body, "text")
    parameters: Json = {}
    if text.get("verbosity") is not None:
        parameters["verbosity"] = text["verbosity"]
    output_format = text.get("format")
    if output_format is not None:
        parameters.update(_format(output_format))
    return parameters


def _format(output_format: Any) -> Json:
    kind = output_format.get("type") if isinstance(output_format, Mapping) else None
    if kind == "text":
        return {}
    if kind == "json_object":
        return {"response_format": {"type": "json_object"}}
    if kind != "json_schema":
        raise NotTranslatable(f"`text.format` of type `{kind}` does not exist in chat.", param="text.format")
    schema = {name: value for name, value in output_format.items() if name != "type" and value is not None}
    return {"response_format": {"type": "json_schema", "json_schema": schema}}


def _reasoning(body: Json) -> Json:
    reasoning = _object(body, "reasoning")
    if reasoning.get("mode") not in (None, "standard"):
        raise NotTranslatable("`reasoning.mode` does not exist in chat completions.", param="reasoning.mode")
    return {} if reasoning.get("effort") is None else {"reasoning_effort": reasoning["effort"]}


def _logprobs(body: Json) -> Json:
    included = body.get("include") or []
    if not isinstance(included, list):
        raise WrongType.of("include", "an array of strings", included)
    for name in included:
        if not isinstance(name, str) or name not in INCLUDE_VALUES:
            raise NotTranslatable(f"`include` of `{name}` does not exist in chat completions.", param="include")
    if not wants_logprobs(body):
        return {}
    top = body.get("top_logprobs")
    return {"logprobs": True} if top is None else {"logprobs": True, "top_logprobs": top}


def _stream(body: Json) -> Json:
    return {"stream": True, "stream_options": {"include_usage": True}} if body.get("stream") else {}


def _object(body: Json, name: str) -> Json:
    value = body.get(name, {})
    if not isinstance(value, dict):
        raise WrongType.of(name, "an object", value)
    return value
