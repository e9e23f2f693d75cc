"""An answer's statements about its cost are read whatever else stands beside them, and absurd ones are none."""

from typing import Any

import pytest

from tidegate.wire.operations.stated import NOTHING_STATED, number_of, seconds_of_sound, stated_in


@pytest.mark.parametrize("text", [b"", b"[]", b"{", b"null", b'"x"', b"\xff"])
def test_what_is_no_object_states_nothing(text: bytes) -> None:
    assert stated_in(text) == NOTHING_STATED
    assert stated_in(text).usage_object is None


def test_statements_of_other_types_are_none() -> None:
    stated = stated_in(b'{"usage":[1],"model":7,"data":{"a":1},"seconds":{},"size":3}')
    assert (stated.usage_object, stated.model_name, stated.entries) == (None, None, None)


def test_images_are_counted() -> None:
    assert stated_in(b'{"data":[{"b64_json":"aa"},{"b64_json":"bb"}]}').entries == 2


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        (b'{"usage":{"type":"duration","seconds":3}}', 3.0),
        (b'{"usage":{"type":"tokens","input_tokens":3},"duration":7.5}', 8.0),
        (b'{"duration":"8.47"}', 9.0),
        (b'{"duration":-1}', None),
        (b'{"usage":{"type":"duration","seconds":"x"}}', None),
        (b"{}", None),
    ],
)
def test_seconds_of_sound_are_read(text: bytes, seconds: float | None) -> None:
    assert seconds_of_sound(stated_in(text)) == seconds


@pytest.mark.parametrize("value", [True, None, "nan", "inf", "x", 1e12, [], {}])
def test_what_is_no_number_is_none(value: Any) -> None:
    assert number_of(value) is None
