"""What a worker does with a job it takes up depends on what was said of it, and on whether anybody heard."""

import msgspec
import pytest

from tidegate.background.job import (
    MAX_WORKER_DEATHS,
    AlreadyFinished,
    GiveUp,
    JobAttempt,
    JobDecision,
    JobStatus,
    StartAttempt,
    decide,
)
from tidegate.core.errors import BackgroundTimeout, GatewayRestarted, TidegateError

QUEUED = JobStatus(
    response_id="resp_1",
    project="shop",
    key_id="key_1",
    request_id="req_1",
    status="queued",
    attempt=0,
    deaths=0,
    next_event=2,
    content_from=None,
    shown=False,
    created_at=1000.0,
    deadline=2000.0,
)
LEFT = msgspec.structs.replace(QUEUED, status="in_progress", attempt=1)


@pytest.mark.parametrize(
    ("job", "expected"),
    [
        (QUEUED, StartAttempt(previous_worker_died=False, discard_from=None)),
        (LEFT, StartAttempt(previous_worker_died=True, discard_from=None)),
        (msgspec.structs.replace(LEFT, content_from=3), StartAttempt(previous_worker_died=True, discard_from=3)),
        (msgspec.structs.replace(QUEUED, content_from=3), StartAttempt(previous_worker_died=False, discard_from=3)),
        (
            msgspec.structs.replace(LEFT, deaths=MAX_WORKER_DEATHS - 1),
            StartAttempt(previous_worker_died=True, discard_from=None),
        ),
        (msgspec.structs.replace(QUEUED, status="finished", deadline=0.0), AlreadyFinished()),
    ],
)
def test_it_is_asked_or_is_over(job: JobStatus, expected: JobDecision) -> None:
    assert decide(job, now=1500.0) == expected


@pytest.mark.parametrize(
    ("job", "error"),
    [
        (msgspec.structs.replace(LEFT, content_from=3, shown=True), GatewayRestarted),
        (msgspec.structs.replace(QUEUED, content_from=3, shown=True), GatewayRestarted),
        (msgspec.structs.replace(LEFT, deaths=MAX_WORKER_DEATHS), GatewayRestarted),
        (msgspec.structs.replace(QUEUED, deadline=1500.0), BackgroundTimeout),
    ],
)
def test_it_fails(job: JobStatus, error: type[TidegateError]) -> None:
    found = decide(job, now=1500.0)
    assert isinstance(found, GiveUp)
    assert isinstance(found.error, error)


def test_each_attempt_has_a_line_of_its_own_in_the_ledger() -> None:
    names = [JobAttempt(job=QUEUED, number=n, next_event=2, headers={}, body=b"").call_id for n in (1, 2, 5)]
    assert names == ["req_1", "req_1-2", "req_1-5"]
