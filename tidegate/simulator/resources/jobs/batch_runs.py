"""Runs batches: how far one has come follows from the time, and its lines are answered as that time passes."""

from collections.abc import Callable

import msgspec

from tidegate.simulator.answers.reply import Json
from tidegate.simulator.resources.calls import LineAnswer
from tidegate.simulator.resources.jobs.batch_lines import BatchInput, BatchLine
from tidegate.simulator.resources.organization import Organization, OwedCharge, Record
from tidegate.simulator.resources.stored.files import FileFacts, store_file

AnswerLine = Callable[[str, Json, str, float], LineAnswer]
_RUNNING_FROM, _FINALIZING_FROM = 0.1, 0.9
"""The shares of a batch's time at which its status changes."""
_MONTH = 30 * 86_400


class BatchRun(msgspec.Struct, kw_only=True):
    """A batch's lines and what has come of them."""

    input: BatchInput
    digits: str
    keeps_seconds: int = _MONTH
    """Seconds after which its output file expires."""
    at: int = 0
    """Lines that are answered."""
    output: bytearray = msgspec.field(default_factory=bytearray)
    errors: bytearray = msgspec.field(default_factory=bytearray)


def advance(organization: Organization, record: Record, answer_line: AnswerLine, now: float) -> None:
    """Let a batch go on until now. What its lines cost is owed as they are answered."""
    body, run, share = record.body, record.work, record.share(now)
    if record.id not in organization.running:
        return
    if run.input.errors:
        body.update(status="failed", failed_at=int(now), errors={"object": "list", "data": list(run.input.errors)})
        del organization.running[record.id]
        return
    if share >= _RUNNING_FROM and body["in_progress_at"] is None:
        total = len(run.input.lines)
        body["request_counts"]["total"] = total
        body.update(status="in_progress", in_progress_at=int(now))
    if body["in_progress_at"] is not None:
        done = min(1.0, share / _FINALIZING_FROM)
        _answer_until(organization, record, answer_line, int(done * len(run.input.lines)), now)
    if record.stopped is not None:
        _end(organization, record, now, "cancelled")
    elif share >= 1:
        body["finalizing_at"] = body["finalizing_at"] or int(now)
        _end(organization, record, now, "completed")
    elif share >= _FINALIZING_FROM and body["finalizing_at"] is None:
        body.update(status="finalizing", finalizing_at=int(now))


def _answer_until(organization: Organization, record: Record, answer_line: AnswerLine, end: int, now: float) -> None:
    run, counts = record.work, record.body["request_counts"]
    for number in range(run.at, end):
        line = run.input.lines[number]
        digits = f"{run.digits[:24]}{number:08x}"
        found = answer_line(line.url, line.body, digits, now)
        (run.output if found.status == 200 else run.errors).extend(_output_line(line, found, digits))
        counts["completed" if found.status == 200 else "failed"] += 1
        _add_usage(record.body, found)
        if found.status == 200:
            record.body["model"] = found.body.get("model") or found.model
            organization.owed.append(OwedCharge(route="batches.line", model=found.model, usage=found.usage))
    run.at = max(run.at, end)


def _output_line(line: BatchLine, found: LineAnswer, digits: str) -> bytes:
    response = {"status_code": found.status, "request_id": f"req_{digits}", "body": found.body}
    value = {"id": f"batch_req_{digits}", "custom_id": line.custom_id, "response": response, "error": None}
    return msgspec.json.encode(value) + b"\n"


def _add_usage(body: Json, found: LineAnswer) -> None:
    usage, used = body["usage"], found.usage
    usage["input_tokens"] += used.input
    usage["input_tokens_details"]["cached_tokens"] += used.cached
    usage["output_tokens"] += used.output
    usage["total_tokens"] += used.input + used.output
    details = (found.body.get("usage") or {}).get("completion_tokens_details") or (found.body.get("usage") or {}).get(
        "output_tokens_details"
    )
    usage["output_tokens_details"]["reasoning_tokens"] += (details or {}).get("reasoning_tokens") or 0


def _end(organization: Organization, record: Record, now: float, status: str) -> None:
    run, body = record.work, record.body
    for content, name, kind in ((run.output, "output_file_id", "output"), (run.errors, "error_file_id", "error")):
        if content:
            facts = FileFacts(
                filename=f"{record.id}_{kind}.jsonl", purpose="batch_output", created_at=now,
                expires_at=int(now) + run.keeps_seconds,
            )  # fmt: skip
            file = store_file(organization, f"file-{run.digits}{kind[0]}", bytes(content), facts)
            body[name] = file.id
    body.update({"status": status, f"{status}_at": int(now)})
    record.work = BatchRun(input=BatchInput(), digits=run.digits, at=run.at)  # its lines are no longer needed
    del organization.running[record.id]
