"""A call reads its body as JSON or as a form, and refuses what is neither."""

import pytest

from tests.simulator.resources.asking import resource_call
from tidegate.simulator.refusal import Refusal
from tidegate.simulator.resources.calls import whole_number

_FORM = b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n--x--\r\n'


def test_fields_come_from_json_and_from_a_form() -> None:
    assert resource_call(b'{"a": 1}').fields() == {"a": 1}
    assert resource_call(_FORM, "multipart/form-data; boundary=x").fields() == {"a": "1"}
    assert resource_call().json() == {}


@pytest.mark.parametrize("raw", [b"[1]", b"{", b'"a"'])
def test_a_body_that_is_no_object_is_refused(raw: bytes) -> None:
    with pytest.raises(Refusal, match="could not parse the JSON body"):
        resource_call(raw).json()


def test_json_where_a_form_is_expected_is_refused() -> None:
    with pytest.raises(Refusal, match=r"got 'application/json'") as refused:
        resource_call(b"{}").form()
    assert refused.value.status == 415


def test_a_number_may_be_text() -> None:
    assert whole_number("12", "n") == 12
    with pytest.raises(Refusal, match="Invalid type for 'n'"):
        whole_number("twelve", "n")
