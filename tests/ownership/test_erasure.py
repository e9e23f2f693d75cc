"""What was made for an end user is unusable as soon as they are erased, and their name is gone."""

import pytest

from tests.ownership.new_objects import new
from tidegate.core.clock import ManualClock
from tidegate.core.errors import UpstreamObjectNotFound
from tidegate.ownership.erasure import ObjectEraser
from tidegate.ownership.object_store import ObjectStore
from tidegate.ownership.owned_object import ObjectReference
from tidegate.ownership.owners import ObjectOwners
from tidegate.storage.postgres import Postgres
from tidegate.wire.operations.operation import ObjectKind


async def test_their_objects_are_erased_and_those_of_others_stay(
    store: ObjectStore, postgres: Postgres, clock: ManualClock
) -> None:
    eraser, owners = ObjectEraser(postgres, clock), ObjectOwners(store, clock, unrecorded="allow")
    await store.record("shop", [new("file-1", end_user="ada", document=b"x"), new("file-2", end_user="bob")])
    await store.record("bank", [new("file-3", end_user="ada")])
    assert await eraser.count("shop", "ada") == {"upstream_objects": 1}
    assert await eraser.erase("shop", "ada") == {"upstream_objects": 1}
    assert await eraser.count("shop", "ada") == {"upstream_objects": 0}
    assert await eraser.erase("shop", "ada") == {"upstream_objects": 0}
    reference = ObjectReference("file-1", ObjectKind.FILE, "file_id")
    for project in ("shop", "bank"):
        with pytest.raises(UpstreamObjectNotFound):
            await owners.check(project, [reference])
    (erased,) = await store.find("shop", ["file-1"])
    assert (erased.end_user, erased.document, erased.is_forgotten) == (None, None, True)
    assert [one.id for one, _ in await store.page("shop", ObjectKind.FILE, descending=True, limit=9)] == ["file-2"]
    assert await eraser.count("bank", "ada") == {"upstream_objects": 1}
