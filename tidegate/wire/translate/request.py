"""A Responses request as the chat request that asks the same. `docs/guides/translation.md` shows the tables below.

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
"""Parameters that have another shape, or another place, in chat."""

GATEWAY_PARAMETERS = frozenset({"store", "metadata", "background"})
"""What the gateway does itself: the provider is not told."""

IGNORED_PARAMETERS = frozenset({"max_tool_calls", "truncation", "stream_options"})
"""Taken, and not sent: built-in tools are not there to be counted, nothing is cut, nothing is obfuscated."""

UNTRANSLATABLE_PARAMETERS = frozenset({
    "access_programs", "audio", "background_options", "context_management", "conversation", "generate", "image",
    "messages", "modalities", "moderation", "n", "previous_response_id", "prompt",
})  # fmt: skip
"""Parameters that would change the answer, and for which the other side has no place: refused."""

INCLUDE_VALUES = frozenset({
    "message.output_text.logprobs", "reasoning.encrypted_content", "message.input_image.image_url",
    "computer_call_output.output.image_url", "web_search_call.action.sources", "web_search_call.results",
    "file_search_call.results", "code_interpreter_call.outputs",
})  # fmt: skip
"""Values of `include`; all but the log probabilities ask for parts that no translated answer has."""

_LOGPROBS = "message.output_text.logprobs"


def wants_logprobs(body: Mapping[str, Any]) -> bool:
    """Whether the log probabilities of the tokens were asked for."""
    included = body.get("include")
    return (isinstance(included, list) and _LOGPROBS in included) or bool(body.get("top_logprobs"))


def chat_call(call: Call, *, reasoning_field: str | None = None) -> Call:
    """The chat call that asks what the Responses `call` asks. Raises NotTranslatable, or an InvalidParameter."""
    body = chat_body(call.body, reasoning_field=reasoning_field)
    raw = {name: msgspec.Raw(msgspec.json.encode(value)) for name, value in body.items()}
    return msgspec.structs.replace(
        call, endpoint=endpoints.CHAT, body=body, raw=raw, wants_usage=True, is_translated=True
    )


def chat_body(request_body: Mapping[str, Any], *, reasoning_field: str | None = None) -> Json:
    """A Responses body as a chat body. A parameter nobody knows goes through as it is; none is lost in silence."""
    body = {name: value for name, value in request_body.items() if value is not None}
    for name in sorted(UNTRANSLATABLE_PARAMETERS & body.keys()):
        raise NotTranslatable(f"`{name}` cannot be translated to chat completions and back.", param=name)
    set_aside = REBUILT_PARAMETERS | GATEWAY_PARAMETERS | IGNORED_PARAMETERS
    same = {RENAMED_PARAMETERS.get(name, name): value for name, value in body.items() if name not in set_aside}
    return {
        **same,
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
    made: Json = {}
    if text.get("verbosity") is not None:
        made["verbosity"] = text["verbosity"]
    form = text.get("format")
    if form is not None:
        made.update(_format(form))
    return made


def _format(form: Any) -> Json:
    kind = form.get("type") if isinstance(form, Mapping) else None
    if kind == "text":
        return {}
    if kind == "json_object":
        return {"response_format": {"type": "json_object"}}
    if kind != "json_schema":
        raise NotTranslatable(f"`text.format` of type `{kind}` has no counterpart in chat.", param="text.format")
    schema = {name: value for name, value in form.items() if name != "type" and value is not None}
    return {"response_format": {"type": "json_schema", "json_schema": schema}}


def _reasoning(body: Json) -> Json:
    reasoning = _object(body, "reasoning")
    if reasoning.get("mode") not in (None, "standard"):
        raise NotTranslatable("`reasoning.mode` has no counterpart in chat completions.", param="reasoning.mode")
    return {} if reasoning.get("effort") is None else {"reasoning_effort": reasoning["effort"]}


def _logprobs(body: Json) -> Json:
    included = body.get("include") or []
    if not isinstance(included, list):
        raise WrongType.of("include", "an array of strings", included)
    for name in included:
        if not isinstance(name, str) or name not in INCLUDE_VALUES:
            raise NotTranslatable(f"`include` of `{name}` has no counterpart in chat completions.", param="include")
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
