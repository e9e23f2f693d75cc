"""What was made for an erased end user is deleted at the upstream, sooner or later, and nothing else is."""

from tests.ownership.new_objects import new
from tidegate.core.clock import ManualClock
from tidegate.core.errors import UpstreamServerError
from tidegate.ownership.deletion import ObjectDeletion
from tidegate.ownership.erasure import ObjectEraser
from tidegate.ownership.object_store import ObjectStore
from tidegate.ownership.owned_object import OwnedPlace
from tidegate.storage.postgres import Postgres
from tidegate.wire.operations.operation import ObjectKind


class DeletingUpstream:
    """Deletes files, fails for some, and cannot delete batches."""

    def __init__(self) -> None:
        self.failing = {"file-7"}
        self.tried: list[str] = []

    async def __call__(self, kind: ObjectKind, object_id: str, place: OwnedPlace) -> bool:
        """Delete an object."""
        assert place.credential == "default"
        self.tried.append(object_id)
        if object_id in self.failing:
            raise UpstreamServerError
        return kind is ObjectKind.FILE


async def test_each_is_tried_in_each_round_until_it_is_gone(
    store: ObjectStore, postgres: Postgres, clock: ManualClock
) -> None:
    ids = [f"file-{n}" for n in range(250)]
    await store.record("shop", [new(one, end_user="ada") for one in ids])
    await store.record("shop", [new("batch_1", ObjectKind.BATCH, end_user="ada"), new("file-x", end_user="bob")])
    upstream = DeletingUpstream()
    deletion = ObjectDeletion(postgres, store, upstream)
    await deletion.run_once()
    assert upstream.tried == []
    await ObjectEraser(postgres, clock).erase("shop", "ada")
    await deletion.run_once()
    assert sorted(upstream.tried) == sorted([*ids, "batch_1"])
    upstream.tried.clear()
    upstream.failing.clear()
    await deletion.run_once()
    assert sorted(upstream.tried) == ["batch_1", "file-7"]
    upstream.tried.clear()
    await deletion.run_once()
    assert upstream.tried == ["batch_1"]
    assert [one.id for one, _ in await store.page("shop", ObjectKind.FILE, descending=True, limit=9)] == ["file-x"]


async def test_it_runs_between_start_and_close(store: ObjectStore, postgres: Postgres) -> None:
    task = ObjectDeletion(postgres, store, DeletingUpstream())
    await task.start()
    await task.close()
