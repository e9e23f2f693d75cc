"""Checks a request's parameters, and refuses wrong ones in OpenAI's words."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from tidegate.simulator.refusal import Refusal, invalid


class ParameterRule(msgspec.Struct, frozen=True):
    """The accepted values of one parameter. null is always accepted."""

    types: tuple[type, ...]
    description: str
    """The types as OpenAI names them."""
    minimum: float | None = None
    maximum: float | None = None
    values: tuple[str, ...] = ()


_TEXT, _FLAG = ParameterRule((str,), "a string"), ParameterRule((bool,), "a boolean")
_OBJECT, _ARRAY = ParameterRule((dict,), "an object"), ParameterRule((list,), "an array")
_WHOLE = ParameterRule((int,), "an integer")
_NAMES: Sequence[tuple[type, str]] = (
    (type(None), "null"),
    (bool, "a boolean"),
    (int, "an integer"),
    (float, "a decimal"),
    (str, "a string"),
    (list, "an array"),
    (dict, "an object"),
)


def _number(minimum: float, maximum: float) -> ParameterRule:
    return ParameterRule((int, float), "a decimal", minimum, maximum)


_COMMON_RULES: Mapping[str, ParameterRule] = {
    "stream": _FLAG,
    "store": _FLAG,
    "parallel_tool_calls": _FLAG,
    "temperature": _number(0, 2),
    "top_p": _number(0, 1),
    "top_logprobs": ParameterRule((int,), "an integer", 0, 20),
    "tools": _ARRAY,
    "metadata": _OBJECT,
    "stream_options": _OBJECT,
    "user": _TEXT,
    "safety_identifier": _TEXT,
    "prompt_cache_key": _TEXT,
}
_RULES: Mapping[str, Mapping[str, ParameterRule]] = {
    "chat": {
        **_COMMON_RULES,
        "messages": _ARRAY,
        "max_completion_tokens": _WHOLE,
        "max_tokens": _WHOLE,
        "logprobs": _FLAG,
        "n": ParameterRule((int,), "an integer", 1, 128),
        "presence_penalty": _number(-2, 2),
        "frequency_penalty": _number(-2, 2),
        "response_format": _OBJECT,
        "seed": _WHOLE,
    },
    "responses": {
        **_COMMON_RULES,
        "input": ParameterRule((str, list), "one of a string or an array of objects"),
        "instructions": _TEXT,
        "max_output_tokens": ParameterRule((int,), "an integer", 1),
        "text": _OBJECT,
        "reasoning": _OBJECT,
        "background": _FLAG,
        "include": _ARRAY,
        "truncation": ParameterRule((str,), "a string", values=("auto", "disabled")),
    },
}
_ROLES = ("assistant", "system", "developer", "user")


def check(route: str, body: Mapping[str, Any]) -> None:
    """Raise Refusal for the first parameter with an invalid value."""
    for name, taken in _RULES.get(route, {}).items():
        if (value := body.get(name)) is not None:
            _check(name, value, taken)
    for number, item in enumerate(body.get("input") or () if route == "responses" else ()):
        if not isinstance(body["input"], str):
            _check_item(f"input[{number}]", item)


def _check(name: str, value: Any, taken: ParameterRule) -> None:
    if not isinstance(value, taken.types) or (isinstance(value, bool) and bool not in taken.types):
        raise _wrong_type(name, taken.description, value)
    if taken.values and value not in taken.values:
        raise _wrong_value(name, value, taken.values)
    _check_bounds(name, value, taken)


def _check_bounds(name: str, value: Any, taken: ParameterRule) -> None:
    if taken.minimum is not None and value < taken.minimum:
        raise _out_of_bounds(
            name, value, taken, "below_min", f"below minimum value. Expected a value >= {taken.minimum}"
        )
    if taken.maximum is not None and value > taken.maximum:
        raise _out_of_bounds(
            name, value, taken, "above_max", f"above maximum value. Expected a value <= {taken.maximum}"
        )


def _check_item(at: str, item: Any) -> None:
    if not isinstance(item, dict):
        raise _wrong_type(at, "an object", item)
    role = item.get("role")
    if item.get("type", "message") == "message" and role is not None and role not in _ROLES:
        raise _wrong_value(f"{at}.role", role, _ROLES)


def _out_of_bounds(name: str, value: Any, taken: ParameterRule, code: str, description: str) -> Refusal:
    kind = taken.description.partition(" ")[2]
    return invalid(
        f"Invalid '{name}': {kind} {description}, but got {value} instead.", param=name, code=f"{kind}_{code}_value"
    )


def _wrong_type(name: str, expected: str, value: Any) -> Refusal:
    value_type = next((message for kind, message in _NAMES if isinstance(value, kind)), "an object")
    message = f"Invalid type for '{name}': expected {expected}, but got {value_type} instead."
    return invalid(message, param=name, code="invalid_type")


def _wrong_value(name: str, value: Any, values: Sequence[str]) -> Refusal:
    *most, last = (f"'{one}'" for one in values)
    said = (
        f"Invalid value: '{value}'. Supported values are: {', '.join(most)}{',' if len(most) > 1 else ''} and {last}."
    )
    return invalid(said, param=name, code="invalid_value")
