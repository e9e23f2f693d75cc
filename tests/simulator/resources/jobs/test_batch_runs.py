"""A batch goes on as time passes, and each answered line is owed at half its price."""

import msgspec
import pytest

from tests.simulator.client import CHAT
from tests.simulator.resources.asking import NOW
from tidegate.simulator.answers.reply import Json
from tidegate.simulator.billing.tariff import TokenUsage
from tidegate.simulator.resources.calls import LineAnswer
from tidegate.simulator.resources.jobs.batch_lines import BatchInput, BatchLine
from tidegate.simulator.resources.jobs.batch_runs import BatchRun, advance
from tidegate.simulator.resources.organization import Organization, Record
from tidegate.simulator.resources.stored.files import find_file

_MOMENTS = ("in_progress", "finalizing", "completed", "failed", "cancelling", "cancelled")


def _answer(_: str, body: Json, __: str, ___: float) -> LineAnswer:
    if body.get("bad"):
        return LineAnswer(status=400, body={"error": {}})
    return LineAnswer(status=200, body={"model": "gpt-4o"}, model="gpt-4o", usage=TokenUsage(input=3, output=4))


def _batch(organization: Organization, *, seconds: float) -> Record:
    lines = tuple(
        BatchLine(custom_id=str(number), url="/v1/chat/completions", body={**CHAT, "bad": number == 9})
        for number in range(10)
    )
    usage = {"input_tokens": 0, "output_tokens": 0, "total_tokens": 0, "input_tokens_details": {"cached_tokens": 0},
             "output_tokens_details": {"reasoning_tokens": 0}}  # fmt: skip
    body = {"id": "batch_a", "status": "validating", "usage": usage, **{f"{name}_at": None for name in _MOMENTS},
            "request_counts": {"total": 0, "completed": 0, "failed": 0}}  # fmt: skip
    run = BatchRun(input=BatchInput(lines=lines), digits="0" * 32)
    record = Record(id="batch_a", body=body, begun=NOW, seconds=seconds, work=run)
    organization.running["batch_a"] = record
    return record


@pytest.mark.parametrize(
    ("after", "status", "done"),
    [(0, "validating", 0), (50, "in_progress", 5), (91, "finalizing", 10), (100, "completed", 10)],
)
def test_a_batch_goes_on_with_the_time(after: float, status: str, done: int) -> None:
    organization = Organization()
    record = _batch(organization, seconds=100)
    advance(organization, record, _answer, NOW + after)
    counts = record.body["request_counts"]
    assert (record.body["status"], counts["completed"] + counts["failed"]) == (status, done)
    assert len(organization.owed) == counts["completed"]


def test_a_complete_batch_has_its_answers_and_its_errors_in_files() -> None:
    organization = Organization()
    record = _batch(organization, seconds=0)
    for _ in range(2):  # the second time changes nothing
        advance(organization, record, _answer, NOW)
    output, errors = (
        [
            msgspec.json.decode(line)
            for line in bytes(find_file(organization, record.body[name], now=NOW).content).splitlines()
        ]
        for name in ("output_file_id", "error_file_id")
    )
    assert [line["custom_id"] for line in output] == [str(number) for number in range(9)]
    assert [(line["custom_id"], line["response"]["status_code"]) for line in errors] == [("9", 400)]
    assert (record.body["usage"]["total_tokens"], organization.running) == (63, {})


def test_a_cancelled_batch_keeps_what_was_answered() -> None:
    organization = Organization()
    record = _batch(organization, seconds=100)
    record.stopped = NOW + 45
    advance(organization, record, _answer, NOW + 1000)
    assert (record.body["status"], record.body["request_counts"]["completed"]) == ("cancelled", 5)
    assert record.body["output_file_id"]


def test_a_batch_with_wrong_lines_fails() -> None:
    organization = Organization()
    record = _batch(organization, seconds=0)
    record.work.input = BatchInput(errors=({"code": "invalid_json_line"},))
    advance(organization, record, _answer, NOW)
    assert (record.body["status"], record.body["errors"]["data"]) == ("failed", [{"code": "invalid_json_line"}])
