"""Parameters that some models do not have."""

import re
from collections.abc import Mapping
from typing import Any

from tidegate.simulator.checks.refusals import unsupported
from tidegate.simulator.refusal import Refusal, invalid

_REASONING = re.compile(r"o\d|gpt-[5-9](?!.*chat)")
_NO_SAMPLING = re.compile(r"o\d|gpt-5(-mini|-nano)?(-20.*)?$")
_NO_REASONING = re.compile(r"gpt-3\.5|gpt-4|chatgpt-")
_NO_DIMENSIONS = "text-embedding-ada-002"
_DEFAULTS = {"top_p": 1, "presence_penalty": 0, "frequency_penalty": 0, "logprobs": False, "top_logprobs": 0}
"""Values that the models without sampling accept, as they change nothing."""


def check_model(route: str, body: Mapping[str, Any]) -> None:
    """Raise Refusal for a parameter that the model of a chat, a Response or an embedding does not have."""
    model = str(body.get("model") or "")
    if route == "embeddings":
        if model == _NO_DIMENSIONS and body.get("dimensions") is not None:
            raise invalid("This model does not support specifying dimensions.", param="dimensions")
        return
    if route == "chat" and _REASONING.match(model) and body.get("max_tokens") is not None:
        raise unsupported("max_tokens", " Use 'max_completion_tokens' instead.")
    if _NO_SAMPLING.match(model):
        _check_sampling(route, body)
    if _NO_REASONING.match(model):
        _check_reasoning(model, body)


def _check_sampling(route: str, body: Mapping[str, Any]) -> None:
    warmth = body.get("temperature")
    if warmth is not None and warmth != 1:
        raise _one_value("temperature", warmth) if route == "chat" else unsupported("temperature")
    for name, default in _DEFAULTS.items():
        if body.get(name) is not None and body[name] != default:
            raise unsupported(name)
    for name in ("stop", "logit_bias"):
        if body.get(name):
            raise unsupported(name)


def _one_value(name: str, value: Any) -> Refusal:
    reason = f"'{name}' does not support {value} with this model. Only the default (1) value is supported."
    return invalid(f"Unsupported value: {reason}", param=name, code="unsupported_value")


def _check_reasoning(model: str, body: Mapping[str, Any]) -> None:
    if body.get("reasoning_effort") is not None:
        raise unsupported("reasoning_effort")
    for name, value in (body.get("reasoning") or {}).items():
        if value is not None:
            raise unsupported(f"reasoning.{name}")
    if "reasoning.encrypted_content" in (body.get("include") or ()):
        raise invalid("Encrypted content is not supported with this model.", param="include")
    verbosity = {"verbosity": body.get("verbosity"), "text.verbosity": (body.get("text") or {}).get("verbosity")}
    for name, value in verbosity.items():
        if value not in (None, "medium"):
            message = f"'{value}' is not supported with the '{model}' model. Supported values are: 'medium'."
            raise invalid(f"Unsupported value: {message}", param=name, code="unsupported_value")
