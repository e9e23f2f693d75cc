"""Any key is accepted unless one is expected, and a refused key is only repeated in part."""

import pytest

from tidegate.simulator.keys import check_key, ends_of, masked
from tidegate.simulator.refusal import Refusal

KEY = "sk-made-up-for-this-test"


@pytest.mark.parametrize("expected", [None, KEY])
def test_a_right_key_is_let_in(expected: str | None) -> None:
    check_key({"authorization": f"Bearer {KEY}"}, expected)
    check_key({"api-key": KEY}, expected)


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({}, None),
        ({"authorization": "Basic x"}, None),
        ({"authorization": "Bearer "}, None),
        ({"authorization": "Bearer sk-quite-another-key"}, "invalid_api_key"),
    ],
)
def test_a_wrong_key_is_refused(headers: dict[str, str], code: str | None) -> None:
    with pytest.raises(Refusal) as no:
        check_key(headers, KEY)
    assert (no.value.status, no.value.error["code"]) == (401, code)
    assert "quite-another" not in str(no.value)


def test_only_the_ends_of_a_key_are_shown() -> None:
    assert masked(KEY) == "sk-made-" + "*" * 12 + "test"
    assert masked("short") == "*****"
    assert ends_of({"authorization": f"Bearer {KEY}"}) == "test"
    assert ends_of({"api-key": KEY}) == "test"
    assert ends_of({}) is None
