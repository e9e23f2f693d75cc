"""Stored prompts: a request names one instead of a model, and the prompt has its own."""

from collections.abc import Mapping
from typing import Any

from tidegate.simulator.answers.reply import Json
from tidegate.simulator.refusal import invalid

PROMPT_MODEL = "gpt-4o-mini"
"""The model of every stored prompt."""
_PREFIX = "pmpt_"


def with_prompt(body: Json) -> Json:
    """Return the body with the model of its stored prompt, unless it names one. Every id is known. Raises Refusal."""
    prompt = body.get("prompt")
    if prompt is None:
        return body
    name = prompt.get("id") if isinstance(prompt, Mapping) else None
    if not isinstance(name, str) or not name.startswith(_PREFIX):
        raise invalid(
            f"Invalid 'prompt.id': '{name}'. Expected an ID that begins with '{_PREFIX.rstrip('_')}'.",
            param="prompt.id",
            code="invalid_value",
        )
    return {**body, "model": body.get("model") or PROMPT_MODEL}


def prompt_field(body: Mapping[str, Any]) -> Json:
    """Return what a Response repeats of its prompt."""
    prompt = body.get("prompt")
    if not isinstance(prompt, Mapping):
        return {}
    return {"prompt": {"id": prompt["id"], "version": prompt.get("version"), "variables": prompt.get("variables")}}
