"""An outage is two lines in the log, however many failures it has; a failure among successes is none."""

from collections.abc import Sequence
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from tidegate.core.clock import ManualClock
from tidegate.storage.outage_log import OutageLog, silent

LOST, BACK = "a store is lost", "a store is back"


@pytest.mark.parametrize(
    ("steps", "said"),
    [
        ("xxxx", [(LOST, None)]),
        ("xxxxxxxxx.....", [(LOST, None), (BACK, 9.0)]),
        ("x", []),
        ("x.", []),
        ("x.x.x.x.x.", []),
        ("......", []),
        ("xxx.xxx.", [(LOST, None), (BACK, 3.0)] * 2),
    ],
)
def test_each_outage_is_logged_once_and_its_end_with_the_duration(
    clock: ManualClock, steps: str, said: Sequence[tuple[str, float | None]]
) -> None:
    """Each character is a second: `x` with a failure, `.` with an answer."""
    outage = OutageLog("redis", clock.monotonic)
    with capture_logs() as logs:
        for step in steps:
            if step == "x":
                outage.failed(ConnectionRefusedError("why"))
            else:
                outage.answered()
            clock.advance(1)
    assert [(line["event"], line.get("seconds")) for line in logs] == list(said)
    assert all(line["store"] == "redis" and line["log_level"] == "warning" for line in logs)


def test_where_one_failure_is_enough_the_first_is_logged_with_its_reason(clock: ManualClock) -> None:
    outage = OutageLog("redis", clock.monotonic, confirm_seconds=0.0)
    with capture_logs() as logs:
        outage.failed(ConnectionRefusedError("why"))
        outage.failed(ConnectionRefusedError("why"))
    (line,) = logs
    assert (line["error"], line["detail"]) == ("ConnectionRefusedError", "why")


def replica(clock: ManualClock, folder: Path) -> list[OutageLog]:
    """The logs of three workers of one replica."""
    return [OutageLog("redis", clock.monotonic, confirm_seconds=0.0, shared_folder=folder) for _ in range(3)]


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1)])
def test_the_workers_of_a_replica_log_an_outage_once_together(
    clock: ManualClock, tmp_path: Path, order: tuple[int, ...]
) -> None:
    workers = replica(clock, tmp_path)
    for worker in workers:
        worker.answered()
    with capture_logs() as logs:
        for _ in range(2):
            for worker in workers:
                worker.failed(ConnectionRefusedError("why"))
            clock.advance(5)
            for number in order:
                workers[number].answered()
                workers[number].answered()
    assert [(line["event"], line.get("seconds")) for line in logs] == [(LOST, None), (BACK, 5.0)] * 2


def test_an_outage_whose_worker_died_ends_with_the_first_answer_of_its_successor(
    clock: ManualClock, tmp_path: Path
) -> None:
    with capture_logs() as logs:
        replica(clock, tmp_path)[0].failed(ConnectionRefusedError("why"))
        replica(clock, tmp_path)[0].answered()
        replica(clock, tmp_path)[1].answered()
    assert [line["event"] for line in logs] == [LOST, BACK]


def test_without_the_folder_each_worker_logs_the_loss_itself(clock: ManualClock, tmp_path: Path) -> None:
    with capture_logs() as logs:
        for worker in replica(clock, tmp_path / "missing"):
            worker.failed(ConnectionRefusedError("why"))
    assert [line["event"] for line in logs] == [LOST] * 3


def test_a_command_logs_nothing() -> None:
    with capture_logs() as logs:
        outage = silent()
        outage.failed(ConnectionRefusedError("why"))
        outage.answered()
    assert logs == []
