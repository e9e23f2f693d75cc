"""The refusals of single parameters, in OpenAI's words."""

from collections.abc import Sequence
from typing import Any

from tidegate.simulator.refusal import Refusal, invalid

_TYPE_NAMES: Sequence[tuple[type, str]] = (
    (type(None), "null"),
    (bool, "a boolean"),
    (int, "an integer"),
    (float, "a decimal"),
    (str, "a string"),
    (list, "an array"),
    (dict, "an object"),
)


def missing(at: str) -> Refusal:
    """Return the refusal of a request without the parameter `at`."""
    return invalid(f"Missing required parameter: '{at}'.", param=at, code="missing_required_parameter")


def unknown(at: str) -> Refusal:
    """Return the refusal of a parameter that OpenAI does not have."""
    return invalid(f"Unknown parameter: '{at}'.", param=at, code="unknown_parameter")


def unsupported(at: str, hint: str = "") -> Refusal:
    """Return the refusal of a parameter that the model does not have."""
    message = f"Unsupported parameter: '{at}' is not supported with this model.{hint}"
    return invalid(message, param=at, code="unsupported_parameter")


def wrong_type(at: str, expected: str, value: Any) -> Refusal:
    """Return the refusal of a `value` that is not `expected` ("a string")."""
    value_type = next((name for kind, name in _TYPE_NAMES if isinstance(value, kind)), "an object")
    message = f"Invalid type for '{at}': expected {expected}, but got {value_type} instead."
    return invalid(message, param=at, code="invalid_type")


def wrong_value(at: str, value: Any, values: Sequence[str]) -> Refusal:
    """Return the refusal of a `value` that is none of `values`."""
    *most, last = (f"'{one}'" for one in values)
    comma = "," if len(most) > 1 else ""
    listed = f"{', '.join(most)}{comma} and {last}" if most else last
    message = f"Invalid value: '{value}'. Supported values are: {listed}."
    return invalid(message, param=at, code="invalid_value")


def out_of_bounds(at: str, value: float, kind: str, *, minimum: float | None = None, maximum: float = 0) -> Refusal:
    """Return the refusal of a number below `minimum` or, without one, above `maximum`; `kind` is `integer` or so."""
    below = minimum is not None
    reason = f"below minimum value. Expected a value >= {minimum}" if below else (
        f"above maximum value. Expected a value <= {maximum}"
    )  # fmt: skip
    code = f"{kind}_{'below_min' if below else 'above_max'}_value"
    return invalid(f"Invalid '{at}': {kind} {reason}, but got {value} instead.", param=at, code=code)


def empty(at: str, kind: str) -> Refusal:
    """Return the refusal of an empty string or array."""
    expected = f"Expected {_article(kind)} with minimum length 1, but got an empty {kind} instead."
    return invalid(f"Invalid '{at}': empty {kind}. {expected}", param=at, code=f"empty_{kind}")


def too_long(at: str, length: int, maximum: int, kind: str) -> Refusal:
    """Return the refusal of a string or array of more than `maximum`."""
    that = _article(kind)
    expected = f"Expected {that} with maximum length {maximum}, but got {that} with length {length} instead."
    return invalid(f"Invalid '{at}': {kind} too long. {expected}", param=at, code=f"{kind}_above_max_length")


def too_many_properties(at: str, count: int, maximum: int) -> Refusal:
    """Return the refusal of an object with more than `maximum` properties."""
    expected = f"Expected an object with at most {maximum} properties, but got an object with {count} properties"
    message = f"Invalid '{at}': too many properties. {expected} instead."
    return invalid(message, param=at, code="object_above_max_properties")


def wrong_pattern(at: str, pattern: str) -> Refusal:
    """Return the refusal of a string that does not match."""
    expected = f"Expected a string that matches the pattern '{pattern}'."
    return invalid(f"Invalid '{at}': string does not match pattern. {expected}", param=at, code="invalid_value")


def wrong_prefix(at: str, value: str, prefix: str) -> Refusal:
    """Return the refusal of an id of another kind."""
    message = f"Invalid '{at}': '{value}'. Expected an ID that begins with '{prefix}'."
    return invalid(message, param=at, code="invalid_value")


def _article(kind: str) -> str:
    return f"an {kind}" if kind == "array" else f"a {kind}"
