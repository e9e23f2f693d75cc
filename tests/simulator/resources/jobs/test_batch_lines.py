"""A batch's file is read line by line, and each wrong line is named."""

from typing import Any

import msgspec
import pytest

from tidegate.simulator.resources.jobs.batch_lines import read_lines

_URL = "/v1/chat/completions"
_LINE: dict[str, Any] = {"custom_id": "a", "method": "POST", "url": _URL, "body": {"model": "m"}}


def _content(*lines: Any) -> bytes:
    return b"\n".join(line if isinstance(line, bytes) else msgspec.json.encode(line) for line in lines)


def test_lines_are_read_and_empty_ones_left_out() -> None:
    found = read_lines(_content(_LINE, b"", {**_LINE, "custom_id": "b"}) + b"\n\n", _URL)
    assert ([line.custom_id for line in found.lines], found.errors) == (["a", "b"], ())


@pytest.mark.parametrize(
    ("lines", "code", "number"),
    [
        ([], "empty_file", None),
        ([b"{"], "invalid_json_line", 1),
        ([b"\xff"], "invalid_json_line", 1),
        ([_LINE, {"custom_id": "b"}], "missing_required_parameter", 2),
        ([{**_LINE, "body": "m"}], "invalid_request", 1),
        ([_LINE, _LINE], "duplicate_custom_id", 2),
        ([{**_LINE, "url": "/v1/responses"}], "invalid_url", 1),
        ([{**_LINE, "method": "GET"}], "invalid_method", 1),
        ([_LINE, {**_LINE, "custom_id": "b", "body": {"model": "n"}}], "mismatched_model", 2),
        ([b"{}"] * 50_001, "too_many_tasks", None),
    ],
)
def test_a_wrong_line_is_named(lines: list[Any], code: str, number: int | None) -> None:
    found = read_lines(_content(*lines), _URL)
    assert [(error["code"], error["line"]) for error in found.errors] == [(code, number)]
