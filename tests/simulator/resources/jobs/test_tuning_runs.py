"""A fine-tuning job goes through its states as time passes, and owes what it trained."""

from fractions import Fraction

import pytest

from tests.simulator.resources.asking import NOW
from tidegate.simulator.resources.jobs.tuning_runs import TuningRun, advance, model_name
from tidegate.simulator.resources.organization import Organization, Record


def _job(organization: Organization) -> Record:
    run = TuningRun(digits="0" * 32, suffix="sea", epochs=2, content=b'{"a": "tide"}\n' * 10)
    body = {"id": "ftjob-a", "model": "gpt-4o-mini-2024-07-18", "status": "validating_files", "finished_at": None}
    record = Record(id="ftjob-a", body=body, begun=NOW, seconds=100, work=run)
    organization.running["ftjob-a"] = record
    return record


@pytest.mark.parametrize(
    ("after", "status"), [(5, "validating_files"), (15, "queued"), (50, "running"), (100, "succeeded")]
)
def test_its_status_follows_the_time(after: float, status: str) -> None:
    organization = Organization()
    record = _job(organization)
    advance(organization, record, NOW + after)
    assert record.body["status"] == status


def test_a_job_that_has_succeeded_has_a_model_checkpoints_and_a_price() -> None:
    organization = Organization()
    record = _job(organization)
    for _ in range(2):  # the second time changes nothing
        advance(organization, record, NOW + 100)
    model = model_name("gpt-4o-mini-2024-07-18", "sea", "0" * 32)
    assert record.body["fine_tuned_model"] == model == "ft:gpt-4o-mini-2024-07-18:simulator:sea:00000000"
    assert organization.collection("models").find(model) is not None
    steps = [one.body["step_number"] for one in organization.collection("fine_tuning.checkpoints", "ftjob-a")]
    assert steps == [10, 20]
    (owed,) = organization.owed
    assert owed.usage.units == (("trained_million", Fraction(record.body["trained_tokens"], 1_000_000)),)
