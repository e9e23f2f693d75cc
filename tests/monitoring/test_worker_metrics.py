"""The processes of one gateway share their figures, and a replacement continues the counters of a dead process."""

from pathlib import Path

from structlog.testing import capture_logs

from tests.eventually import wait_until, wait_until_async
from tests.failing_once import FailingOnce, failed_rounds
from tidegate.core.events import Event, EventName
from tidegate.monitoring.counters import Counters, Counts
from tidegate.monitoring.worker_metrics import WorkerMetrics


def worker(folder: Path | None, *, lost: int = 0) -> WorkerMetrics:
    counters = Counters()
    counters.add_gauge("redis_up", "Whether it is.", lambda: 1)
    for _ in range(lost):
        counters.count_event(Event(EventName.REDIS_LOST))
    return WorkerMetrics(counters, folder)


def summary(figures: dict[str, Counts]) -> dict[str, tuple[int, int]]:
    """Return by worker how often Redis was lost, and the number of gauges."""
    return {name: (counts.internal_events["redis_lost"], len(counts.gauges)) for name, counts in figures.items()}


async def test_who_is_alone_needs_no_place_and_no_name(tmp_path: Path) -> None:
    for folder in (None, tmp_path / "not there"):
        alone = worker(folder, lost=2)
        await alone.start()
        assert summary(await alone.read_all()) == {"": (2, 1)}
        await alone.close()


async def test_each_knows_all(tmp_path: Path) -> None:
    one, other = worker(tmp_path, lost=1), worker(tmp_path, lost=20)
    await one.start()
    await other.start()
    for each in (one, other):

        async def knows_both(each: WorkerMetrics = each) -> bool:
            return summary(await each.read_all()) == {"0": (1, 1), "1": (20, 1)}

        await wait_until_async(knows_both)
    await one.close()
    await other.close()


async def test_what_the_dead_counted_is_counted_and_their_gauges_are_gone(tmp_path: Path) -> None:
    one, other = worker(tmp_path, lost=1), worker(tmp_path, lost=20)
    await one.start()
    await other.start()
    await other.close()
    assert summary(await one.read_all()) == {"0": (1, 1), "1": (20, 0)}
    third = worker(tmp_path, lost=300)
    await third.start()
    assert summary(await third.read_all())["1"] == (320, 1)
    await one.close()
    await third.close()


async def test_a_page_that_was_spoilt_is_left_out(tmp_path: Path) -> None:
    one, other = worker(tmp_path), worker(tmp_path)
    await one.start()
    await other.start()
    await other.close()
    (tmp_path / "1.json").write_text('{"failures":')
    assert list(await one.read_all()) == ["0"]
    third = worker(tmp_path, lost=3)
    await third.start()
    assert summary(await third.read_all())["1"] == (3, 1)
    await one.close()
    await third.close()


class CountersFailingOnce(Counters):
    """Counters whose first reading meets a defect."""

    def __init__(self) -> None:
        super().__init__()
        self.fault = FailingOnce()

    def read(self) -> Counts:
        self.fault()
        return super().read()


async def test_a_defect_in_one_round_is_logged_once_and_the_next_round_writes(tmp_path: Path) -> None:
    workers = WorkerMetrics(CountersFailingOnce(), tmp_path)
    with capture_logs() as logs:
        await workers.start()
        await wait_until((tmp_path / "0.json").exists)
        await workers.close()
    assert failed_rounds(logs) == [("worker-metrics", "ZeroDivisionError")]
