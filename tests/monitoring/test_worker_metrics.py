"""The processes of one gateway know each other's figures, and who replaces one counts on from what it counted."""

from pathlib import Path

from tests.eventually import until_so
from tidegate.core.events import Happening, Own
from tidegate.monitoring.counters import Counters, Counts
from tidegate.monitoring.worker_metrics import Workers


def worker(folder: Path | None, *, lost: int = 0) -> Workers:
    counters = Counters()
    counters.watch("redis_up", "Whether it is.", lambda: 1)
    for _ in range(lost):
        counters.happened(Happening(Own.REDIS_LOST))
    return Workers(counters, folder)


def seen(figures: dict[str, Counts]) -> dict[str, tuple[int, int]]:
    """By worker: how often Redis was lost, and how many gauges it has."""
    return {name: (counts.own_parts["redis_lost"], len(counts.gauges)) for name, counts in figures.items()}


async def test_who_is_alone_needs_no_place_and_no_name(tmp_path: Path) -> None:
    for folder in (None, tmp_path / "not there"):
        alone = worker(folder, lost=2)
        await alone.start()
        assert seen(await alone.read()) == {"": (2, 1)}
        await alone.close()


async def test_each_knows_all(tmp_path: Path) -> None:
    one, other = worker(tmp_path, lost=1), worker(tmp_path, lost=20)
    await one.start()
    await other.start()
    for each in (one, other):

        async def knows_both(each: Workers = each) -> bool:
            return seen(await each.read()) == {"0": (1, 1), "1": (20, 1)}

        await until_so(knows_both)
    await one.close()
    await other.close()


async def test_what_the_dead_counted_is_counted_and_their_gauges_are_gone(tmp_path: Path) -> None:
    one, other = worker(tmp_path, lost=1), worker(tmp_path, lost=20)
    await one.start()
    await other.start()
    await other.close()
    assert seen(await one.read()) == {"0": (1, 1), "1": (20, 0)}
    third = worker(tmp_path, lost=300)
    await third.start()
    assert seen(await third.read())["1"] == (320, 1)
    await one.close()
    await third.close()


async def test_a_page_that_was_spoilt_is_left_out(tmp_path: Path) -> None:
    one, other = worker(tmp_path), worker(tmp_path)
    await one.start()
    await other.start()
    await other.close()
    (tmp_path / "1.json").write_text('{"failures":')
    assert list(await one.read()) == ["0"]
    third = worker(tmp_path, lost=3)
    await third.start()
    assert seen(await third.read())["1"] == (3, 1)
    await one.close()
    await third.close()
