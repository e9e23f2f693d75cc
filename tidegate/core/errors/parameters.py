"""What is wrong with one parameter, in OpenAI's words: clients read the code, people the sentence."""

from typing import Any

from tidegate.core.errors.caller import InvalidParameter

_LONGEST_SHOWN = 64
_KINDS: tuple[tuple[type, str], ...] = (
    (type(None), "null"),
    (bool, "a boolean"),  # before the integers, which it belongs to
    (int, "an integer"),
    (float, "a decimal"),
    (str, "a string"),
    (list, "an array"),
)


class MissingParameter(InvalidParameter):
    """A parameter without which the request cannot be served is missing."""

    name = "missing_parameter"
    code = "missing_required_parameter"

    @classmethod
    def of(cls, param: str) -> "MissingParameter":
        """That `param` is not there."""
        return cls(f"Missing required parameter: '{param}'.", param=param)


class WrongType(InvalidParameter):
    """A parameter of the request has a value of another type than it takes."""

    name = "wrong_type"
    code = "invalid_type"

    @classmethod
    def of(cls, param: str, expected: str, value: Any) -> "WrongType":
        """That `param` is not `expected` ("a string")."""
        said = f"Invalid type for '{param}': expected {expected}, but got {_kind_of(value)} instead."
        return cls(said, param=param)


class InvalidId(InvalidParameter):
    """An id has not the form that ids of its kind have."""

    name = "invalid_id"
    code = "invalid_id_prefix"

    @classmethod
    def of(cls, param: str, value: str, prefix: str) -> "InvalidId":
        """That `given` does not begin as an id of its kind."""
        said = f"Invalid '{param}': '{_shown(value)}'. Expected an ID that begins with '{prefix}'."
        return cls(said, param=param)


class BelowMinimum(InvalidParameter):
    """A number is smaller than it may be."""

    name = "below_minimum"
    code = "integer_below_min_value"

    @classmethod
    def of(cls, param: str, value: int, minimum: int) -> "BelowMinimum":
        """That `given` is less than `least`."""
        said = f"integer below minimum value. Expected a value >= {minimum}, but got {value} instead."
        return cls(f"Invalid '{param}': {said}", param=param)


class AboveMaximum(InvalidParameter):
    """A number is larger than it may be."""

    name = "above_maximum"
    code = "integer_above_max_value"

    @classmethod
    def of(cls, param: str, value: int, maximum: int) -> "AboveMaximum":
        """That `given` is more than `most`."""
        said = f"integer above maximum value. Expected a value <= {maximum}, but got {value} instead."
        return cls(f"Invalid '{param}': {said}", param=param)


class TooManyProperties(InvalidParameter):
    """An object has more keys than it may."""

    name = "too_many_pairs"
    code = "object_above_max_properties"

    @classmethod
    def of(cls, param: str, count: int, maximum: int) -> "TooManyProperties":
        """That `given` pairs are more than `most`."""
        said = (
            f"Expected an object with at most {maximum} properties, but got an object with {count} properties instead."
        )
        return cls(f"Invalid '{param}': too many properties. {said}", param=param)


class StringTooLong(InvalidParameter):
    """A text is longer than it may be."""

    name = "text_too_long"
    code = "string_above_max_length"

    @classmethod
    def of(cls, param: str, value: str, maximum: int) -> "StringTooLong":
        """That `given` has more than `most` characters."""
        return cls(f"Invalid '{param}': string too long. {_too_long(value, maximum)}", param=param)


class PropertyNameTooLong(InvalidParameter):
    """A key of an object is longer than it may be."""

    name = "key_too_long"
    code = "property_name_above_max_length"

    @classmethod
    def of(cls, param: str, value: str, maximum: int) -> "PropertyNameTooLong":
        """That the key `given` of `param` has more than `most` characters."""
        said = f"Invalid property name in '{param}': '{_shown(value)}' is too long. {_too_long(value, maximum)}"
        return cls(said, param=param)


def _too_long(given: str, most: int) -> str:
    return f"Expected a string with maximum length {most}, but got a string with length {len(given)} instead."


def _shown(given: str) -> str:
    return given[:_LONGEST_SHOWN].encode("ascii", "replace").decode()


def _kind_of(value: Any) -> str:
    return next((said for kind, said in _KINDS if isinstance(value, kind)), "an object")
