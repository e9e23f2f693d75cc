"""A list has a project's own objects only, page by page, whatever others have made in between."""

import asyncio
import json
from collections.abc import Sequence

import pytest

from tests.ownership.new_objects import NOW, new
from tidegate.core.clock import ManualClock
from tidegate.core.errors import UpstreamObjectNotFound, UpstreamServerError
from tidegate.ownership.listing import ObjectListQuery, list_query
from tidegate.ownership.object_pages import MAX_READS, ObjectPages
from tidegate.ownership.object_store import ObjectStore
from tidegate.ownership.owned_object import OwnedObject
from tidegate.wire.operations.operation import ObjectKind

BATCH = ObjectKind.BATCH


class Upstream:
    """Has the objects that are not missing."""

    def __init__(self, *missing: str) -> None:
        self.missing = missing
        self.read: list[str] = []

    async def __call__(self, one: OwnedObject) -> bytes | None:
        """Return an object's JSON."""
        self.read.append(one.id)
        return None if one.id in self.missing else json.dumps({"id": one.id, "name": one.id[-1]}).encode()


def query(kind: ObjectKind = BATCH, **parameters: object) -> ObjectListQuery:
    """Return the query of a list."""
    return list_query(kind, [(name, str(value)) for name, value in parameters.items()])


async def filled(store: ObjectStore, clock: ManualClock, count: int, kind: ObjectKind = BATCH) -> ObjectPages:
    """Return pages of a store with this many objects of each of two projects, in turns."""
    for project in ("shop", "bank"):
        await store.record(project, [new(f"{project}_{n}", kind, at=NOW + n) for n in range(count)])
    return ObjectPages(store, clock, unrecorded="refuse")


async def ids(pages: ObjectPages, wanted: ObjectListQuery, upstream: Upstream | None = None) -> tuple[list[str], bool]:
    """Return the ids of a page of `shop`, and whether there are more."""
    page = json.loads(await pages.answer("shop", wanted, upstream or Upstream()))
    return [one["id"] for one in page["data"]], page["has_more"]


@pytest.mark.parametrize(
    ("parameters", "numbers", "has_more"),
    [
        ({}, [4, 3, 2, 1, 0], False),
        ({"order": "asc"}, [0, 1, 2, 3, 4], False),
        ({"limit": 5}, [4, 3, 2, 1, 0], False),
        ({"limit": 2}, [4, 3], True),
        ({"limit": 2, "after": "shop_3"}, [2, 1], True),
        ({"limit": 2, "after": "shop_2"}, [1, 0], False),
        ({"limit": 2, "after": "shop_0"}, [], False),
        ({"limit": 2, "after": "shop_1", "order": "asc"}, [2, 3], True),
        ({"limit": 2, "before": "shop_1"}, [3, 2], True),
        ({"limit": 2, "before": "shop_3", "order": "asc"}, [1, 2], True),
        ({"limit": 9, "before": "shop_2"}, [4, 3], False),
        ({"limit": 9, "after": "shop_4", "before": "shop_1"}, [3, 2], False),
    ],
)
async def test_paging(
    store: ObjectStore, clock: ManualClock, parameters: dict[str, object], numbers: Sequence[int], *, has_more: bool
) -> None:
    pages = await filled(store, clock, 5)
    assert await ids(pages, query(BATCH, **parameters)) == ([f"shop_{n}" for n in numbers], has_more)


@pytest.mark.parametrize("param", ["after", "before"])
async def test_a_page_does_not_begin_at_an_object_of_another_project(
    store: ObjectStore, clock: ManualClock, param: str
) -> None:
    pages = await filled(store, clock, 2)
    for object_id in ("bank_1", "unknown"):
        with pytest.raises(UpstreamObjectNotFound):
            await ids(pages, query(BATCH, **{param: object_id}))


async def test_all_pages_together_are_the_list(store: ObjectStore, clock: ManualClock) -> None:
    pages = await filled(store, clock, 23)
    listed: list[str] = []
    more = True
    after: dict[str, str] = {}
    while more:
        some, more = await ids(pages, query(BATCH, limit=5, **after))
        listed += some
        after = {"after": some[-1]}
    assert listed == [f"shop_{n}" for n in range(22, -1, -1)]


async def test_what_the_upstream_has_no_longer_is_left_out_and_not_read_again(
    store: ObjectStore, clock: ManualClock
) -> None:
    pages = await filled(store, clock, 6)
    upstream = Upstream("shop_5", "shop_3")
    assert await ids(pages, query(limit=3), upstream) == (["shop_4", "shop_2", "shop_1"], True)
    upstream.read.clear()
    assert await ids(pages, query(limit=3), upstream) == (["shop_4", "shop_2", "shop_1"], True)
    assert not {"shop_5", "shop_3"} & set(upstream.read)


async def test_a_filter_is_answered_from_all_of_the_projects_objects(store: ObjectStore, clock: ManualClock) -> None:
    pages = await filled(store, clock, 30, ObjectKind.CONTAINER)
    assert await ids(pages, query(ObjectKind.CONTAINER, limit=2, name="7")) == (["shop_27", "shop_17"], True)
    assert await ids(pages, query(ObjectKind.CONTAINER, limit=2, name="x")) == ([], False)


async def test_a_page_reads_a_bounded_number_of_objects(store: ObjectStore, clock: ManualClock) -> None:
    pages = await filled(store, clock, MAX_READS + 50, ObjectKind.CONTAINER)
    upstream = Upstream()
    assert await ids(pages, query(ObjectKind.CONTAINER, limit=1, name="x"), upstream) == ([], True)
    assert len(upstream.read) <= MAX_READS + 1


async def test_files_are_read_once(store: ObjectStore, clock: ManualClock) -> None:
    document = b'{"id": "shop_0", "purpose": "batch"}'
    await store.record("shop", [new("shop_0", document=document), new("shop_1")])
    pages, upstream = ObjectPages(store, clock, unrecorded="refuse"), Upstream()
    for _ in range(2):
        assert document in await pages.answer("shop", query(ObjectKind.FILE), upstream)
    assert upstream.read == ["shop_1"]


async def test_an_expired_file_is_not_listed(store: ObjectStore, clock: ManualClock) -> None:
    document = json.dumps({"id": "shop_0", "expires_at": clock.now() + 60}).encode()
    await store.record("shop", [new("shop_0", document=document)])
    pages = ObjectPages(store, clock, unrecorded="refuse")
    assert await ids(pages, query(ObjectKind.FILE)) == (["shop_0"], False)
    clock.advance(60)
    assert await ids(pages, query(ObjectKind.FILE)) == ([], False)


async def test_a_failure_of_the_upstream_fails_the_list(store: ObjectStore, clock: ManualClock) -> None:
    pages = await filled(store, clock, 3)

    async def fail(_: OwnedObject) -> bytes | None:
        raise UpstreamServerError

    with pytest.raises(UpstreamServerError):
        await pages.answer("shop", query(), fail)
    assert len(asyncio.all_tasks()) == 1
