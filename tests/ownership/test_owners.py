"""A project uses what is on record for it; what was made is on record before it is given out."""

import pytest

from tests.ownership.new_objects import HERE, THERE, new
from tidegate.core.clock import ManualClock
from tidegate.core.errors import ObjectNotRecorded, ObjectsApart, PostgresUnavailable, UpstreamObjectNotFound
from tidegate.ownership.derived_objects import MadeObject
from tidegate.ownership.object_store import ObjectStore
from tidegate.ownership.owned_object import NewObject, ObjectReference
from tidegate.ownership.owners import ObjectOwners
from tidegate.ownership.rules import Unrecorded
from tidegate.storage.postgres import Postgres
from tidegate.wire.operations.operation import ObjectKind


def named(*ids: str) -> list[ObjectReference]:
    """Return references to files."""
    return [ObjectReference(one, ObjectKind.FILE, "file_id") for one in ids]


def owners(store: ObjectStore, clock: ManualClock, unrecorded: Unrecorded = "refuse") -> ObjectOwners:
    """Return the owners, which wait for nothing."""

    async def pause(seconds: float) -> None:
        clock.advance(seconds)

    return ObjectOwners(store, clock, unrecorded=unrecorded, pause=pause)


async def test_what_is_made_can_be_used_by_its_project_alone(store: ObjectStore, clock: ManualClock) -> None:
    both = owners(store, clock)
    await both.record("shop", [MadeObject("file-1", ObjectKind.FILE)], THERE, end_user="ada")
    assert await both.check("shop", named("file-1")) == THERE
    assert await both.check("shop", []) is None
    with pytest.raises(UpstreamObjectNotFound):
        await both.check("bank", named("file-1"))
    with pytest.raises(UpstreamObjectNotFound):
        await both.check("shop", named("file-1", "file-unknown"))


async def test_what_has_no_record_is_open_only_where_that_is_allowed(store: ObjectStore, clock: ManualClock) -> None:
    lenient = owners(store, clock, "allow")
    await lenient.record("shop", [MadeObject("file-1", ObjectKind.FILE)], HERE)
    assert await lenient.check("bank", named("file-2")) is None
    with pytest.raises(UpstreamObjectNotFound):
        await lenient.check("bank", named("file-1", "file-2"))


async def test_objects_of_two_accounts_are_not_used_together(store: ObjectStore, clock: ManualClock) -> None:
    both = owners(store, clock)
    await both.record("shop", [MadeObject("file-1", ObjectKind.FILE)], HERE)
    await both.record("shop", [MadeObject("file-2", ObjectKind.FILE)], THERE)
    with pytest.raises(ObjectsApart):
        await both.check("shop", named("file-1", "file-2"))


async def test_what_a_batch_made_is_adopted_once_and_never_from_others(store: ObjectStore, clock: ManualClock) -> None:
    both = owners(store, clock)
    for _ in range(2):
        await both.adopt("shop", [MadeObject("file-out", ObjectKind.FILE)], HERE)
    assert await both.check("shop", named("file-out")) == HERE
    with pytest.raises(ObjectNotRecorded):
        await both.adopt("bank", [MadeObject("file-out", ObjectKind.FILE)], HERE)


class FailingStore(ObjectStore):
    """A store whose first records fail."""

    failures = 0

    async def record(self, project: str, objects: object) -> frozenset[str]:
        """Fail, or record."""
        self.failures -= 1
        if self.failures >= 0:
            raise PostgresUnavailable
        assert isinstance(objects, list)
        return await super().record(project, objects)


@pytest.mark.parametrize(("failures", "recorded"), [(0, True), (2, True), (3, False)])
@pytest.mark.usefixtures("store")
async def test_a_record_is_tried_again_for_a_moment(
    postgres: Postgres, clock: ManualClock, failures: int, *, recorded: bool
) -> None:
    failing = FailingStore(postgres, clock)
    failing.failures = failures
    both = owners(failing, clock)
    if recorded:
        await both.record("shop", [MadeObject("file-1", ObjectKind.FILE)], HERE)
        assert await both.check("shop", named("file-1")) == HERE
    else:
        with pytest.raises(ObjectNotRecorded):
            await both.record("shop", [MadeObject("file-1", ObjectKind.FILE)], HERE)
        with pytest.raises(UpstreamObjectNotFound):
            await both.check("shop", named("file-1"))


async def test_an_id_that_another_project_has_is_not_given_out(store: ObjectStore, clock: ManualClock) -> None:
    await store.record("bank", [NewObject(id="file-1", kind=ObjectKind.FILE, place=HERE, created_at=1.0)])
    with pytest.raises(ObjectNotRecorded):
        await owners(store, clock).record("shop", [MadeObject("file-1", ObjectKind.FILE)], HERE)


async def test_what_is_gone_still_belongs_to_its_project(store: ObjectStore, clock: ManualClock) -> None:
    both = owners(store, clock)
    await store.record("shop", [new("file-1")])
    await both.mark_gone("shop", "file-1")
    assert await both.check("shop", named("file-1")) == HERE
    with pytest.raises(UpstreamObjectNotFound):
        await both.check("bank", named("file-1"))
