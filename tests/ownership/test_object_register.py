"""An operator sees the records of all projects, and assigns what has no owner; nothing changes its owner."""

from tests.ownership.new_objects import HERE, NOW, THERE, new
from tidegate.core.clock import ManualClock
from tidegate.ownership.object_register import ObjectRegister
from tidegate.ownership.object_store import ObjectStore
from tidegate.storage.postgres import Postgres
from tidegate.wire.operations.operation import ObjectKind


async def test_records_are_listed_newest_first_and_page_by_page(
    store: ObjectStore, postgres: Postgres, clock: ManualClock
) -> None:
    register = ObjectRegister(postgres, clock)
    await store.record("shop", [new("file-1", at=NOW, end_user="ada"), new("batch_1", ObjectKind.BATCH, at=NOW + 2)])
    await store.record("bank", [new("file-2", at=NOW + 1, place=THERE)])
    await store.mark_gone("bank", ["file-2"])
    records = await register.list(limit=9)
    assert [(one.project, one.id) for one in records] == [("shop", "batch_1"), ("bank", "file-2"), ("shop", "file-1")]
    assert [one.is_gone for one in records] == [False, True, False]
    assert (records[2].end_user, records[2].place) == ("ada", HERE)
    assert [one.id for one in await register.list(project="shop", kind=ObjectKind.FILE, limit=9)] == ["file-1"]
    assert [one.id for one in await register.list(after="file-2", limit=9)] == ["file-1"]
    assert [one.id for one in await register.list(limit=1)] == ["batch_1"]


async def test_only_what_has_no_owner_is_assigned(store: ObjectStore, postgres: Postgres, clock: ManualClock) -> None:
    register = ObjectRegister(postgres, clock)
    await store.record("bank", [new("file-1")])
    assert await register.assign("shop", "file-1", ObjectKind.FILE, HERE) == "bank"
    assert await register.assign("shop", "file-2", ObjectKind.FILE, THERE) == "shop"
    assert await register.assign("shop", "file-2", ObjectKind.FILE, THERE) == "shop"
    (assigned,) = await store.find("shop", ["file-2"])
    assert assigned.place == THERE
    assert await store.find("shop", ["file-1"]) == ()
