"""The errors of parameters have OpenAI's messages and codes, and name the parameter."""

import pytest

from tidegate.core.errors import (
    AboveMaximum,
    BelowMinimum,
    InvalidId,
    InvalidParameter,
    MissingParameter,
    PropertyNameTooLong,
    StringTooLong,
    TooManyProperties,
    WrongType,
)

TOO_MANY = "Expected an object with at most 16 properties, but got an object with 17 properties instead."
TOO_LONG = "Expected a string with maximum length 3, but got a string with length 4 instead."


@pytest.mark.parametrize(
    ("error", "param", "code", "sentence"),
    [
        (
            MissingParameter.of("model"),
            "model",
            "missing_required_parameter",
            "Missing required parameter: 'model'.",
        ),
        (
            WrongType.of("store", "a boolean", "yes"),
            "store",
            "invalid_type",
            "Invalid type for 'store': expected a boolean, but got a string instead.",
        ),
        (
            InvalidId.of("previous_response_id", "gen-1", "resp"),
            "previous_response_id",
            "invalid_id_prefix",
            "Invalid 'previous_response_id': 'gen-1'. Expected an ID that begins with 'resp'.",
        ),
        (
            BelowMinimum.of("limit", 0, 1),
            "limit",
            "integer_below_min_value",
            "Invalid 'limit': integer below minimum value. Expected a value >= 1, but got 0 instead.",
        ),
        (
            AboveMaximum.of("limit", 101, 100),
            "limit",
            "integer_above_max_value",
            "Invalid 'limit': integer above maximum value. Expected a value <= 100, but got 101 instead.",
        ),
        (
            TooManyProperties.of("metadata", 17, 16),
            "metadata",
            "object_above_max_properties",
            f"Invalid 'metadata': too many properties. {TOO_MANY}",
        ),
        (
            StringTooLong.of("metadata.a", "xxxx", 3),
            "metadata.a",
            "string_above_max_length",
            f"Invalid 'metadata.a': string too long. {TOO_LONG}",
        ),
        (
            PropertyNameTooLong.of("metadata", "kkkk", 3),
            "metadata",
            "property_name_above_max_length",
            f"Invalid property name in 'metadata': 'kkkk' is too long. {TOO_LONG}",
        ),
    ],
)
def test_it_is_told_as_openai_tells_it(error: InvalidParameter, param: str, code: str, sentence: str) -> None:
    assert (error.param, error.code, error.message) == (param, code, sentence)


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (None, "null"),
        (True, "a boolean"),
        (1, "an integer"),
        (0.5, "a decimal"),
        ("x", "a string"),
        ([1], "an array"),
        ({"a": 1}, "an object"),
    ],
)
def test_what_came_instead_is_named_as_json_names_it(value: object, kind: str) -> None:
    assert f"but got {kind} instead" in WrongType.of("x", "a date", value).message


def test_no_more_of_a_callers_words_is_repeated_than_is_needed() -> None:
    assert InvalidId.of("conversation", "é" * 500, "conv").message.count("?") == 64
