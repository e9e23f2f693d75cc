"""An upstream's error fields beyond the four reach the caller, scrubbed and limited."""

from typing import Any

import msgspec
import pytest

from tidegate.core.errors import UpstreamError, unpack_error
from tidegate.providers.openai_family.errors import classify, classify_in_stream
from tidegate.providers.openai_family.extra_fields import MAX_BYTES, extra_fields
from tidegate.web.envelope import error_object

FILTERED = {
    "code": "ResponsibleAIPolicyViolation",
    "content_filter_result": {"violence": {"filtered": True, "severity": "medium"}},
}
DEEP: Any = []
for _ in range(500):
    DEEP = [DEEP]


def refused(status: int, error: dict[str, Any]) -> UpstreamError:
    return classify(status, {"content-type": "application/json"}, msgspec.json.encode({"error": error}), now=0.0)


@pytest.mark.parametrize(
    ("status", "fields"),
    [
        (400, {"innererror": FILTERED}),
        (502, {"metadata": {"provider_name": "Somebody", "raw": "overloaded"}}),
        (400, {"failed_generation": "<function>", "status": "INVALID_ARGUMENT", "details": [{"reason": "x"}]}),
    ],
)
def test_they_reach_the_caller_also_by_way_of_another_process(status: int, fields: dict[str, Any]) -> None:
    said = {"message": "No.", "type": "t", "param": "p", "code": "c"}
    error = refused(status, {**said, **fields})
    assert error_object(error) == {**said, **fields}
    assert error_object(unpack_error(msgspec.json.decode(msgspec.json.encode(error.pack())))) == {**said, **fields}


def test_an_error_inside_an_answer_has_them_too() -> None:
    found = error_object(classify_in_stream({"code": "content_filter", "innererror": FILTERED}, request_id=None))
    assert found["innererror"] == FILTERED


def test_they_hold_no_key() -> None:
    shown = str(extra_fields({"metadata": {"raw": ["bad key sk-abcdef0123456789abcdef"]}}))
    assert "abcdef0123" not in shown
    assert "[redacted]" in shown


@pytest.mark.parametrize(
    ("error", "kept"),
    [
        ({"a": "x" * MAX_BYTES, "b": 1}, {"b": 1}),
        ({"a": "x" * (MAX_BYTES - 100), "b": "y" * 200, "c": None}, {"a": "x" * (MAX_BYTES - 100), "c": None}),
        ({"a": DEEP, "b": 1}, {"b": 1}),
        ({"message": "No.", "detail": [1], "headers": {}, "sequence_number": 3, "error": {}}, {}),
    ],
)
def test_they_are_limited(error: dict[str, Any], kept: dict[str, Any]) -> None:
    assert extra_fields(error) == kept


def test_what_concerns_the_gateways_own_account_is_not_shown() -> None:
    error = refused(401, {"message": "No.", "code": "invalid_api_key", "metadata": {"account": "ours"}})
    assert "metadata" not in error_object(error)
