"""Errors of one parameter, in OpenAI's words: programs read the code, people the message."""

from typing import Any

from tidegate.core.errors.caller import InvalidParameter

_MAX_SHOWN = 64
"""Characters of a value that a message shows."""
_TYPE_NAMES: tuple[tuple[type, str], ...] = (
    (type(None), "null"),
    (bool, "a boolean"),  # before the integers, of which it is a subclass
    (int, "an integer"),
    (float, "a decimal"),
    (str, "a string"),
    (list, "an array"),
)


class MissingParameter(InvalidParameter):
    """A required parameter is missing. Add the parameter that `param` names."""

    name = "missing_required_parameter"

    @classmethod
    def of(cls, param: str) -> "MissingParameter":
        """Return the error of the missing `param`."""
        return cls(f"Missing required parameter: '{param}'.", param=param)


class UnknownParameter(InvalidParameter):
    """A parameter differs from a known one in upper and lower case only. Write it as the message says."""

    name = "unknown_parameter"

    @classmethod
    def of(cls, param: str, meant: str) -> "UnknownParameter":
        """Return the error of the unknown `param`, for which `meant` was probably meant."""
        return cls(f"Unknown parameter: '{_shortened(param)}'. Did you mean '{meant}'?", param=param)


class WrongType(InvalidParameter):
    """A parameter has a value of the wrong type. Send the type that it accepts."""

    name = "invalid_type"

    @classmethod
    def of(cls, param: str, expected: str, value: Any) -> "WrongType":
        """Return the error of a `value` that is not `expected` ("a string")."""
        message = f"Invalid type for '{param}': expected {expected}, but got {_type_name(value)} instead."
        return cls(message, param=param)


class InvalidId(InvalidParameter):
    """An id does not have the form of the ids of its kind. Check the id that `param` names."""

    name = "invalid_id_prefix"

    @classmethod
    def of(cls, param: str, value: str, prefix: str) -> "InvalidId":
        """Return the error of an id without its `prefix`."""
        message = f"Invalid '{param}': '{_shortened(value)}'. Expected an ID that begins with '{prefix}'."
        return cls(message, param=param)


class BelowMinimum(InvalidParameter):
    """A number is below its minimum. Send a larger number."""

    name = "integer_below_min_value"

    @classmethod
    def of(cls, param: str, value: int, minimum: int) -> "BelowMinimum":
        """Return the error of a `value` below `minimum`."""
        reason = f"integer below minimum value. Expected a value >= {minimum}, but got {value} instead."
        return cls(f"Invalid '{param}': {reason}", param=param)


class AboveMaximum(InvalidParameter):
    """A number is above its maximum. Send a smaller number."""

    name = "integer_above_max_value"

    @classmethod
    def of(cls, param: str, value: int, maximum: int) -> "AboveMaximum":
        """Return the error of a `value` above `maximum`."""
        reason = f"integer above maximum value. Expected a value <= {maximum}, but got {value} instead."
        return cls(f"Invalid '{param}': {reason}", param=param)


class TooManyProperties(InvalidParameter):
    """An object has too many properties. Send fewer properties."""

    name = "object_above_max_properties"

    @classmethod
    def of(cls, param: str, count: int, maximum: int) -> "TooManyProperties":
        """Return the error of `count` properties where `maximum` are allowed."""
        reason = (
            f"Expected an object with at most {maximum} properties, but got an object with {count} properties instead."
        )
        return cls(f"Invalid '{param}': too many properties. {reason}", param=param)


class StringTooLong(InvalidParameter):
    """A text is too long. Send a shorter text."""

    name = "string_above_max_length"

    @classmethod
    def of(cls, param: str, value: str, maximum: int) -> "StringTooLong":
        """Return the error of a `value` with more than `maximum` characters."""
        return cls(f"Invalid '{param}': string too long. {_too_long(value, maximum)}", param=param)


class PropertyNameTooLong(InvalidParameter):
    """The name of a property is too long. Use a shorter name."""

    name = "property_name_above_max_length"

    @classmethod
    def of(cls, param: str, value: str, maximum: int) -> "PropertyNameTooLong":
        """Return the error of a property of `param` whose name `value` has more than `maximum` characters."""
        message = f"Invalid property name in '{param}': '{_shortened(value)}' is too long. {_too_long(value, maximum)}"
        return cls(message, param=param)


def _too_long(value: str, maximum: int) -> str:
    return f"Expected a string with maximum length {maximum}, but got a string with length {len(value)} instead."


def _shortened(value: str) -> str:
    return value[:_MAX_SHOWN].encode("ascii", "replace").decode()


def _type_name(value: Any) -> str:
    return next((name for kind, name in _TYPE_NAMES if isinstance(value, kind)), "an object")
