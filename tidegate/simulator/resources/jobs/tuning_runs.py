"""Runs fine-tuning jobs: their status, events, checkpoints and models follow from the time."""

from fractions import Fraction

import msgspec

from tidegate.simulator.answers.counting import tokens_for
from tidegate.simulator.answers.reply import Json
from tidegate.simulator.billing.tariff import TokenUsage
from tidegate.simulator.resources.organization import Organization, OwedCharge, Record
from tidegate.simulator.resources.stored.files import FileFacts, store_file

_QUEUED_FROM, _RUNNING_FROM = 0.1, 0.2
"""The shares of a job's time at which its status changes."""
_MILLION = 1_000_000
_CHECKPOINTS = 3
"""Checkpoints that a job keeps, as OpenAI does."""


class TuningRun(msgspec.Struct, kw_only=True):
    """What a job trains on."""

    digits: str
    suffix: str
    epochs: int
    content: bytes | memoryview


def advance(organization: Organization, record: Record, now: float) -> None:
    """Let a job go on until now. Its training is owed when it has succeeded."""
    body, share = record.body, record.share(now)
    if record.id not in organization.running or body["status"] == "paused":
        return
    if body["status"] == "validating_files" and share >= _QUEUED_FROM:
        body["status"] = "queued"
        add_event(organization, record, now, "Files validated, moving job to queued state")
    if body["status"] == "queued" and share >= _RUNNING_FROM:
        body["status"] = "running"
        add_event(organization, record, now, "Fine-tuning job started")
    if body["status"] == "running" and share >= 1:
        _succeed(organization, record, now)


def add_event(organization: Organization, record: Record, now: float, message: str, data: Json | None = None) -> None:
    """Add a line to the job's events."""
    events = organization.collection("fine_tuning.events", record.id)
    event_id = f"ftevent-{record.work.digits[:24]}{len(events):08x}"
    body = {
        "object": "fine_tuning.job.event", "id": event_id, "created_at": int(now), "level": "info", "message": message,
        "type": "metrics" if data else "message", "data": data or {},
    }  # fmt: skip
    events.add(Record(id=event_id, body=body))


def model_name(model: str, suffix: str, digits: str, step: int | None = None) -> str:
    """Return the name of a fine-tuned model, or of one of its checkpoints."""
    name = f"ft:{model}:simulator:{suffix}:{digits[:8]}"
    return name if step is None else f"{name}:ckpt-step-{step}"


def _succeed(organization: Organization, record: Record, now: float) -> None:
    body, run = record.body, record.work
    lines = [line for line in bytes(run.content).split(b"\n") if line.strip()]
    tokens = tokens_for(body["model"]).count(bytes(run.content).decode("utf-8", "replace")) * run.epochs
    model = model_name(body["model"], run.suffix, run.digits)
    _add_checkpoints(organization, record, now, len(lines))
    report = b"step,train_loss,train_accuracy\n" + b"".join(b"%d,0.5,0.9\n" % step for step in range(1, len(lines) + 1))
    facts = FileFacts(filename="step_metrics.csv", purpose="fine-tune-results", created_at=now)
    results = store_file(organization, f"file-{run.digits}r", report, facts)
    body.update(
        status="succeeded", finished_at=int(now), trained_tokens=tokens, fine_tuned_model=model,
        result_files=[results.id], estimated_finish=None,
    )  # fmt: skip
    owner = {"id": model, "object": "model", "created": int(now), "owned_by": "org-simulator"}
    organization.collection("models").add(Record(id=model, body=owner))
    add_event(organization, record, now, f"New fine-tuned model created: {model}")
    add_event(organization, record, now, "The job has successfully completed")
    usage = TokenUsage(units=(("trained_million", Fraction(tokens, _MILLION)),))
    organization.owed.append(OwedCharge(route="fine_tuning.job", model=model, usage=usage))
    run.content = b""
    del organization.running[record.id]


def _add_checkpoints(organization: Organization, record: Record, now: float, steps: int) -> None:
    run, checkpoints = record.work, organization.collection("fine_tuning.checkpoints", record.id)
    for epoch in range(max(1, run.epochs - _CHECKPOINTS + 1), run.epochs + 1):
        step = steps * epoch
        is_last = epoch == run.epochs
        name = model_name(record.body["model"], run.suffix, run.digits, None if is_last else step)
        checkpoint_id = f"ftckpt_{run.digits[:24]}{epoch:08x}"
        metrics = {"step": step, "train_loss": round(1 / (epoch + 1), 4), "train_mean_token_accuracy": 0.9}
        body = {
            "object": "fine_tuning.job.checkpoint", "id": checkpoint_id, "created_at": int(now), "step_number": step,
            "fine_tuned_model_checkpoint": name, "fine_tuning_job_id": record.id, "metrics": metrics,
        }  # fmt: skip
        checkpoints.add(Record(id=checkpoint_id, body=body))
        add_event(organization, record, now, f"Checkpoint created at step {step}", metrics)
