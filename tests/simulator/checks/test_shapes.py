"""A shape accepts what it describes, and names the path of the first difference."""

from typing import Any

import pytest

from tidegate.simulator.checks.shapes import Array, Either, Flag, Number, Object, Pairs, Shape, Tagged, Text, check
from tidegate.simulator.refusal import Refusal

PART = Tagged(kinds={"text": Object(fields={"text": Text()}, required=("text",)), "none": Object()}, default="none")


@pytest.mark.parametrize(
    ("shape", "value"),
    [
        (Text(values=("a",)), "a"),
        (Text(least=1, most=2, pattern="^a"), "ab"),
        (Number(minimum=0, maximum=1), 0.5),
        (Number(whole=True), 7),
        (Flag(), False),
        (Array(items=Text(), least=1, most=2), ["a", "b"]),
        (Object(fields={"a": Text()}), {"a": None, "b": 1}),
        (Object(fields={"a": Text()}, others=False), {}),
        (Pairs(values=Text(), most=1, most_in_name=1), {"a": "b"}),
        (PART, {}),
        (PART, {"type": "text", "text": "x"}),
        (Either((Text(), Flag()), "one of a string or a boolean"), True),
    ],
)
def test_what_has_the_shape_is_accepted(shape: Shape, value: Any) -> None:
    check(shape, "at", value)


@pytest.mark.parametrize(
    ("shape", "value", "param", "code"),
    [
        (Text(), 1, "at", "invalid_type"),
        (Text(values=("a",)), "b", "at", "invalid_value"),
        (Text(least=1), "", "at", "empty_string"),
        (Text(most=1), "ab", "at", "string_above_max_length"),
        (Text(pattern="^a"), "b", "at", "invalid_value"),
        (Number(whole=True), 1.5, "at", "invalid_type"),
        (Number(), True, "at", "invalid_type"),
        (Number(maximum=1), 2, "at", "decimal_above_max_value"),
        (Flag(), 1, "at", "invalid_type"),
        (Array(least=1), [], "at", "empty_array"),
        (Array(most=1), [1, 2], "at", "array_above_max_length"),
        (Array(items=Text()), ["a", 1], "at[1]", "invalid_type"),
        (Object(required=("a",)), {"a": None}, "at.a", "missing_required_parameter"),
        (Object(others=False), {"a": 1}, "at.a", "unknown_parameter"),
        (Object(fields={"a": Object(fields={"b": Text()})}), {"a": {"b": 1}}, "at.a.b", "invalid_type"),
        (Pairs(values=Text(), most=1, most_in_name=9), {"a": "b", "c": "d"}, "at", "object_above_max_properties"),
        (PART, {"type": 1}, "at.type", "invalid_type"),
        (PART, {"type": "x"}, "at.type", "invalid_value"),
        (Tagged(kinds={"a": Object()}), {}, "at.type", "missing_required_parameter"),
        (Either((Text(most=1), Flag()), "one of a string or a boolean"), 1, "at", "invalid_type"),
        (Either((Text(most=1), Flag()), "one of a string or a boolean"), "ab", "at", "string_above_max_length"),
    ],
)
def test_the_first_difference_is_refused(shape: Shape, value: Any, param: str, code: str) -> None:
    with pytest.raises(Refusal) as refused:
        check(shape, "at", value)
    assert (refused.value.error["param"], refused.value.error["code"]) == (param, code)
