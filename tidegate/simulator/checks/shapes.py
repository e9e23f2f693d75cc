"""Shapes of JSON values, as data. Checking a value against one raises OpenAI's refusal of the first difference."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import msgspec

from tidegate.simulator.checks import refusals


class Shape(Protocol):
    """The accepted values of one parameter."""

    @property
    def description(self) -> str:
        """The type as OpenAI names it."""

    def accepts_type(self, value: Any) -> bool:
        """Return whether the value has the shape's type."""

    def check(self, at: str, value: Any) -> None:
        """Raise Refusal unless the value, which has the type, is accepted; `at` is its path."""


def check(shape: Shape, at: str, value: Any) -> None:
    """Raise Refusal unless `shape` accepts the value at the path `at`."""
    if not shape.accepts_type(value):
        raise refusals.wrong_type(at, shape.description, value)
    shape.check(at, value)


class Text(msgspec.Struct, frozen=True, kw_only=True):
    """A string."""

    values: tuple[str, ...] = ()
    """All accepted values; empty for any."""
    least: int = 0
    most: int = 0
    """Characters; 0 for any number."""
    pattern: str = ""
    description: str = "a string"

    def accepts_type(self, value: Any) -> bool:
        """Return whether it is a string."""
        return isinstance(value, str)

    def check(self, at: str, value: Any) -> None:
        """Raise Refusal for another value, length or form."""
        if self.values and value not in self.values:
            raise refusals.wrong_value(at, value, self.values)
        if self.least and not value:
            raise refusals.empty(at, "string")
        if self.most and len(value) > self.most:
            raise refusals.too_long(at, len(value), self.most, "string")
        if self.pattern and not re.search(self.pattern, value):
            raise refusals.wrong_pattern(at, self.pattern)


class Number(msgspec.Struct, frozen=True, kw_only=True):
    """A number, whole or not."""

    minimum: float | None = None
    maximum: float | None = None
    whole: bool = False

    @property
    def description(self) -> str:
        """The type as OpenAI names it."""
        return "an integer" if self.whole else "a decimal"

    def accepts_type(self, value: Any) -> bool:
        """Return whether it is a number; a boolean is none."""
        return isinstance(value, int if self.whole else int | float) and not isinstance(value, bool)

    def check(self, at: str, value: Any) -> None:
        """Raise Refusal for a number out of bounds."""
        kind = self.description.partition(" ")[2]
        if self.minimum is not None and value < self.minimum:
            raise refusals.out_of_bounds(at, value, kind, minimum=self.minimum)
        if self.maximum is not None and value > self.maximum:
            raise refusals.out_of_bounds(at, value, kind, maximum=self.maximum)


class Flag(msgspec.Struct, frozen=True):
    """True or false."""

    description: str = "a boolean"

    def accepts_type(self, value: Any) -> bool:
        """Return whether it is a boolean."""
        return isinstance(value, bool)

    def check(self, at: str, value: Any) -> None:
        """Accept both."""


class Array(msgspec.Struct, frozen=True, kw_only=True):
    """An array."""

    items: Shape | None = None
    least: int = 0
    most: int = 0
    """Items; 0 for any number."""
    description: str = "an array"

    def accepts_type(self, value: Any) -> bool:
        """Return whether it is an array."""
        return isinstance(value, list)

    def check(self, at: str, value: Any) -> None:
        """Raise Refusal for another length, or for the first wrong item."""
        if self.least and not value:
            raise refusals.empty(at, "array")
        if self.most and len(value) > self.most:
            raise refusals.too_long(at, len(value), self.most, "array")
        for number, item in enumerate(value if self.items else ()):
            check(self.items, f"{at}[{number}]", item)  # type: ignore[arg-type]  # without a shape there is no item


class Object(msgspec.Struct, frozen=True, kw_only=True):
    """An object. A field that is null counts as left out."""

    fields: Mapping[str, Shape] = {}
    required: tuple[str, ...] = ()
    others: bool = True
    """Whether other fields are accepted."""
    description: str = "an object"

    def accepts_type(self, value: Any) -> bool:
        """Return whether it is an object."""
        return isinstance(value, dict)

    def check(self, at: str, value: Any) -> None:
        """Raise Refusal for a missing or unknown field, or for the first wrong one."""
        inner = f"{at}." if at else ""
        for name in self.required:
            if value.get(name) is None:
                raise refusals.missing(inner + name)
        for name, field in value.items():
            shape = self.fields.get(name)
            if shape is None and not self.others:
                raise refusals.unknown(inner + name)
            if shape is not None and field is not None:
                check(shape, inner + name, field)


class Pairs(msgspec.Struct, frozen=True, kw_only=True):
    """An object whose names the caller chooses."""

    values: Shape
    most: int
    most_in_name: int
    """Characters of a name."""
    description: str = "an object"

    def accepts_type(self, value: Any) -> bool:
        """Return whether it is an object."""
        return isinstance(value, dict)

    def check(self, at: str, value: Any) -> None:
        """Raise Refusal for too many pairs, a long name, or a wrong value."""
        if len(value) > self.most:
            raise refusals.too_many_properties(at, len(value), self.most)
        for name, one in value.items():
            if len(name) > self.most_in_name:
                raise refusals.too_long(at, len(name), self.most_in_name, "string")
            check(self.values, f"{at}.{name}", one)


class Tagged(msgspec.Struct, frozen=True, kw_only=True):
    """An object whose field `tag` names its kind."""

    kinds: Mapping[str, Shape]
    tag: str = "type"
    default: str = ""
    """The kind of an object without the field; empty where the field is required."""
    description: str = "an object"

    def accepts_type(self, value: Any) -> bool:
        """Return whether it is an object."""
        return isinstance(value, dict)

    def check(self, at: str, value: Any) -> None:
        """Raise Refusal for an unknown kind, or for what its kind does not accept."""
        path = f"{at}.{self.tag}" if at else self.tag
        kind = value.get(self.tag) or self.default
        if not kind:
            raise refusals.missing(path)
        if not isinstance(kind, str):
            raise refusals.wrong_type(path, "a string", kind)
        if kind not in self.kinds:
            raise refusals.wrong_value(path, kind, tuple(self.kinds))
        self.kinds[kind].check(at, value)


class Either(msgspec.Struct, frozen=True):
    """A value of one of several types."""

    shapes: Sequence[Shape]
    description: str

    def accepts_type(self, value: Any) -> bool:
        """Return whether it has one of the types."""
        return any(shape.accepts_type(value) for shape in self.shapes)

    def check(self, at: str, value: Any) -> None:
        """Raise Refusal for what the shape of the value's type does not accept."""
        next(shape for shape in self.shapes if shape.accepts_type(value)).check(at, value)
