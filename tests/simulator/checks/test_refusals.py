"""The refusals of single parameters have OpenAI's sentences."""

import pytest

from tidegate.simulator.checks import refusals
from tidegate.simulator.refusal import Refusal


@pytest.mark.parametrize(
    ("refusal", "message", "code"),
    [
        (refusals.missing("a"), "Missing required parameter: 'a'.", "missing_required_parameter"),
        (refusals.unknown("a.b"), "Unknown parameter: 'a.b'.", "unknown_parameter"),
        (
            refusals.unsupported("a", " Use 'b' instead."),
            "Unsupported parameter: 'a' is not supported with this model. Use 'b' instead.",
            "unsupported_parameter",
        ),
        (
            refusals.wrong_type("a", "a string", None),
            "Invalid type for 'a': expected a string, but got null instead.",
            "invalid_type",
        ),
        (refusals.wrong_value("a", "x", ["y"]), "Invalid value: 'x'. Supported values are: 'y'.", "invalid_value"),
        (
            refusals.wrong_value("a", "x", ["y", "z"]),
            "Invalid value: 'x'. Supported values are: 'y' and 'z'.",
            "invalid_value",
        ),
        (
            refusals.out_of_bounds("a", 0, "integer", minimum=1),
            "Invalid 'a': integer below minimum value. Expected a value >= 1, but got 0 instead.",
            "integer_below_min_value",
        ),
        (
            refusals.empty("a", "string"),
            "Invalid 'a': empty string. Expected a string with minimum length 1, but got an empty string instead.",
            "empty_string",
        ),
        (
            refusals.too_long("a", 5, 4, "array"),
            (
                "Invalid 'a': array too long. Expected an array with maximum length 4, but got an array with length 5 "
                "instead."
            ),
            "array_above_max_length",
        ),
        (
            refusals.wrong_prefix("a", "x", "resp"),
            "Invalid 'a': 'x'. Expected an ID that begins with 'resp'.",
            "invalid_value",
        ),
    ],
)
def test_the_sentence(refusal: Refusal, message: str, code: str) -> None:
    assert (refusal.error["message"], refusal.error["code"], refusal.status) == (message, code, 400)
