"""Lets the jobs of an organisation go on, also those that no client looks at."""

from tidegate.simulator.resources.jobs import batch_runs, tuning_runs
from tidegate.simulator.resources.jobs.batch_runs import AnswerLine, BatchRun
from tidegate.simulator.resources.jobs.tuning_runs import TuningRun
from tidegate.simulator.resources.organization import Organization


def advance_jobs(organization: Organization, answer_line: AnswerLine, now: float) -> None:
    """Let all jobs that cost something go on until now."""
    for record in list(organization.running.values()):
        if isinstance(record.work, BatchRun):
            batch_runs.advance(organization, record, answer_line, now)
        elif isinstance(record.work, TuningRun):
            tuning_runs.advance(organization, record, now)
