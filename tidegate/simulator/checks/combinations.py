"""Parameters that need, or exclude, another one."""

from collections.abc import Iterator, Mapping
from typing import Any

from tidegate.simulator.checks.refusals import missing, wrong_prefix
from tidegate.simulator.refusal import Refusal, invalid

_NEEDS = {"top_logprobs": "logprobs", "stream_options": "stream", "metadata": "store"}
"""Parameters of a chat, with the one that must be true."""
_CALLS = ("tool_calls", "function_call", "audio", "refusal")
"""What an assistant's message may have instead of content."""


def check_chat(body: Mapping[str, Any]) -> None:
    """Raise Refusal for parameters of a chat that do not go together."""
    for name, needed in _NEEDS.items():
        if body.get(name) and not body.get(needed):
            raise invalid(f"The '{name}' parameter is only allowed when '{needed}' is enabled.", param=name)
    for name in ("tool_choice", "parallel_tool_calls"):
        if body.get(name) is not None and not body.get("tools"):
            raise _only_with_tools(name)
    if body.get("max_tokens") is not None and body.get("max_completion_tokens") is not None:
        message = "Setting 'max_tokens' and 'max_completion_tokens' at the same time is not supported."
        raise invalid(message, param="max_tokens", code="invalid_parameter_combination")
    if "audio" in (body.get("modalities") or ()) and not body.get("audio"):
        raise missing("audio")
    _check_messages(body)


def _check_messages(body: Mapping[str, Any]) -> None:
    for number, message in enumerate(body["messages"]):
        said = isinstance(message.get("content"), str) or any(message.get(name) for name in ("content", *_CALLS))
        if message["role"] == "assistant" and not said:
            reason = "Invalid value for 'content': expected a string, got null."
            raise invalid(reason, param=f"messages.[{number}].content")
    if (body.get("response_format") or {}).get("type") == "json_object" and not _says_json(body["messages"]):
        raise _without_json("'messages'", "'response_format'", param="messages")


def check_response(body: Mapping[str, Any]) -> None:
    """Raise Refusal for parameters of a Response that do not go together."""
    previous = body.get("previous_response_id")
    if previous and body.get("conversation"):
        message = "Mutually exclusive parameters. Ensure you are only providing one of: "
        raise invalid(f"{message}'previous_response_id' or 'conversation'.", code="mutually_exclusive_parameters")
    if previous and not previous.startswith("resp"):
        raise wrong_prefix("previous_response_id", previous, "resp")
    if body.get("stream_options") and not body.get("stream"):
        raise invalid(
            "The 'stream_options' parameter is only allowed when 'stream' is enabled.", param="stream_options"
        )
    if body.get("background") and body.get("store") is False:
        message = "Background responses require 'store' to be true."
        raise invalid(message, param="background", code="unsupported_parameter")
    if body.get("tool_choice") == "required" and not body.get("tools"):
        raise invalid("Tool choice 'required' must be specified with 'tools' parameter.", param="tool_choice")
    form = (body.get("text") or {}).get("format") or {}
    if form.get("type") == "json_object" and not _says_json(body.get("input")):
        raise _without_json("Response input messages", "'text.format'", param="input")


def _only_with_tools(name: str) -> Refusal:
    return invalid(f"Invalid value for '{name}': '{name}' is only allowed when 'tools' are specified.", param=name)


def _says_json(spoken: Any) -> bool:
    return any("json" in text.lower() for text in _texts(spoken))


def _texts(value: Any) -> Iterator[str]:
    """Yield each text in messages, items or their parts."""
    if isinstance(value, str):
        yield value
    for one in value if isinstance(value, list) else ():
        if isinstance(one, Mapping):
            yield from _texts(one.get("content"))
            yield from _texts(one.get("text"))
            yield from _texts(one.get("output"))


def _without_json(where: str, needed_by: str, *, param: str) -> Refusal:
    message = f"{where} must contain the word 'json' in some form, to use {needed_by} of type 'json_object'."
    return invalid(message, param=param)
