"""Records go after their objects, never before; names go with the project's retention."""

from tests.ownership.new_objects import NOW, new
from tidegate.core.clock import ManualClock
from tidegate.ownership.object_store import ObjectStore
from tidegate.ownership.retention import GONE_DAYS, ObjectRetention
from tidegate.storage.postgres import Postgres

DAY = 86_400.0


async def test_a_record_outlives_its_object_for_a_while(
    store: ObjectStore, postgres: Postgres, clock: ManualClock
) -> None:
    retention = ObjectRetention(postgres, clock)
    await store.record("bank", [new("file-1"), new("file-2")])
    await store.mark_gone("bank", ["file-1"])
    for days, left in ((GONE_DAYS - 1, {"file-1", "file-2"}), (2, {"file-2"}), (3650, {"file-2"})):
        clock.advance(days * DAY)
        await retention.run_once()
        assert {one.id for one in await store.find("bank", ["file-1", "file-2"])} == left


async def test_names_and_documents_go_after_the_projects_retention(
    store: ObjectStore, postgres: Postgres, clock: ManualClock
) -> None:
    for project in ("shop", "bank"):  # 10 days, and for ever
        for name, at in (("old", NOW - 11 * DAY), ("young", NOW - 9 * DAY)):
            await store.record(project, [new(f"{project}-{name}", at=at, end_user="ada", document=b"x")])
    await ObjectRetention(postgres, clock).run_once()
    kept = {}
    for project in ("shop", "bank"):
        for one in await store.find(project, [f"{project}-old", f"{project}-young"]):
            kept[one.id] = (one.end_user, one.document)
    assert kept == {
        "shop-old": (None, None),
        "shop-young": ("ada", b"x"),
        "bank-old": ("ada", b"x"),
        "bank-young": ("ada", b"x"),
    }


async def test_it_runs_between_start_and_close(postgres: Postgres, clock: ManualClock) -> None:
    task = ObjectRetention(postgres, clock)
    await task.start()
    await task.close()
