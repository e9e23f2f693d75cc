"""Records are each project's own: no query shows, changes or takes over those of another one."""

import asyncio
import re

import pytest

from tests.ownership.new_objects import HERE, NOW, THERE, new
from tidegate.core.errors import PostgresUnavailable
from tidegate.ownership.object_store import MAX_DOCUMENT_BYTES, ObjectStore
from tidegate.ownership.owned_object import MAX_ID_LENGTH, ListPosition
from tidegate.storage.postgres import Postgres, queries
from tidegate.storage.row_security import ProjectTransactions
from tidegate.wire.operations.operation import ObjectKind

FILE, BATCH = ObjectKind.FILE, ObjectKind.BATCH


async def test_an_object_is_found_by_its_project_only(store: ObjectStore) -> None:
    made = new("file-1", end_user="ada", document=b'{"id":"file-1"}')
    assert await store.record("shop", [made, new("batch_1", BATCH, place=THERE)]) == {"file-1", "batch_1"}
    found = {one.id: one for one in await store.find("shop", ["file-1", "batch_1", "file-2"])}
    assert set(found) == {"file-1", "batch_1"}
    assert (found["file-1"].place, found["batch_1"].place) == (HERE, THERE)
    assert (found["file-1"].document, found["file-1"].end_user) == (b'{"id":"file-1"}', "ada")
    assert found["file-1"].created_at == NOW
    assert await store.find("bank", ["file-1", "batch_1"]) == ()
    assert await store.of_others("bank", ["file-1", "batch_1", "file-2"]) == {"file-1", "batch_1"}
    assert await store.of_others("shop", ["file-1", "file-2"]) == set()


async def test_nothing_of_another_project_is_taken_over(store: ObjectStore) -> None:
    await store.record("shop", [new("file-1", document=b"theirs")])
    assert await store.record("bank", [new("file-1", document=b"mine"), new("file-2")]) == {"file-2"}
    await store.mark_gone("bank", ["file-1"])
    await store.keep_document("bank", "file-1", b"mine")
    (kept,) = await store.find("shop", ["file-1"])
    assert kept.document == b"theirs"
    assert len(await store.page("shop", FILE, descending=True, limit=9)) == 1


async def test_what_a_project_has_already_is_renewed(store: ObjectStore) -> None:
    await store.record("shop", [new("file-1", document=b"a")])
    await store.mark_gone("shop", ["file-1"])
    assert await store.record("shop", [new("file-1", place=THERE)]) == {"file-1"}
    (kept,) = await store.find("shop", ["file-1"])
    assert (kept.place, kept.document) == (THERE, None)
    assert len(await store.page("shop", FILE, descending=True, limit=9)) == 1


async def test_one_that_two_record_at_once_belongs_to_one(store: ObjectStore) -> None:
    results = await asyncio.gather(*(store.record(project, [new("file-1")]) for project in ("shop", "bank") * 4))
    winners = {project for project, ids in zip(("shop", "bank") * 4, results, strict=True) if ids}
    assert len(winners) == 1


async def test_the_same_id_at_two_providers_is_two_objects(store: ObjectStore) -> None:
    other = new("file-1", place=type(HERE)("other", "x"))
    assert await store.record("shop", [new("file-1")]) == {"file-1"}
    assert await store.record("bank", [other]) == {"file-1"}
    (mine,) = await store.find("bank", ["file-1"])
    assert mine.place.provider == "other"


async def test_pages_follow_the_time_and_then_the_order_of_the_records(store: ObjectStore) -> None:
    await store.record("shop", [new("file-b", at=NOW + 1), new("file-a", at=NOW), new("file-c", at=NOW + 1)])
    await store.record("shop", [new("batch_1", BATCH)])
    await store.record("bank", [new("file-z", at=NOW + 2)])
    rows = await store.page("shop", FILE, descending=False, limit=9)
    assert [one.id for one, _ in rows] == ["file-a", "file-b", "file-c"]
    down = await store.page("shop", FILE, descending=True, limit=2)
    assert [one.id for one, _ in down] == ["file-c", "file-b"]
    middle = await store.position("shop", FILE, "file-b")
    assert isinstance(middle, ListPosition)
    assert [one.id for one, _ in await store.page("shop", FILE, after=middle, descending=False, limit=9)] == ["file-c"]
    assert [one.id for one, _ in await store.page("shop", FILE, before=middle, descending=True, limit=9)] == ["file-a"]
    assert await store.position("bank", FILE, "file-b") is None
    assert await store.position("shop", BATCH, "file-b") is None


async def test_what_is_gone_is_in_no_list_but_still_marks_a_position(store: ObjectStore) -> None:
    await store.record("shop", [new("file-1", document=b"x"), new("file-2")])
    await store.mark_gone("shop", ["file-1"])
    assert [one.id for one, _ in await store.page("shop", FILE, descending=True, limit=9)] == ["file-2"]
    assert await store.position("shop", FILE, "file-1") is not None
    (gone,) = await store.find("shop", ["file-1"])
    assert gone.document is None


@pytest.mark.parametrize("object_id", ["", "a\0b", "\ud800", "x" * (MAX_ID_LENGTH + 1)])
async def test_an_id_that_no_row_can_have_is_not_found(store: ObjectStore, object_id: str) -> None:
    assert await store.find("shop", [object_id]) == ()
    assert await store.of_others("shop", [object_id]) == set()
    assert await store.position("shop", FILE, object_id) is None


async def test_a_large_document_is_not_kept(store: ObjectStore) -> None:
    await store.record("shop", [new("file-1", document=b"x" * (MAX_DOCUMENT_BYTES + 1))])
    await store.keep_document("shop", "file-1", b"y" * (MAX_DOCUMENT_BYTES + 1))
    (kept,) = await store.find("shop", ["file-1"])
    assert kept.document is None


async def test_a_page_among_many_is_read_by_the_index(store: ObjectStore, postgres: Postgres) -> None:
    async with postgres.connection() as connection:
        await connection.execute(
            "INSERT INTO owned_objects (id, provider, credential, project, kind, created_at) "
            "SELECT 'file-' || n, 'openai', 'default', CASE WHEN n % 1000 = 0 THEN 'shop' ELSE 'bank' END, 'file', "
            "to_timestamp(n) FROM generate_series(1, 100000) AS n"
        )
    rows = await store.page("shop", FILE, descending=True, limit=10)
    assert [one.id for one, _ in rows] == [f"file-{n}" for n in range(100_000, 90_000, -1000)]
    values = {"1": "'shop'", "2": "'file'", "3": "'-infinity'", "4": "0", "5": "'infinity'", "6": "0", "7": "10"}
    statement = re.sub(r"\$(\d)", lambda match: values[match[1]], queries("owned_objects")["page_down"])
    async with ProjectTransactions(postgres).transaction("shop") as connection:  # the plan is part of the promise
        plan = await connection.fetch("EXPLAIN " + statement)
    text = "\n".join(row[0] for row in plan)
    assert "owned_objects_by_time" in text
    assert "Sort" not in text


async def test_without_postgresql_there_is_no_answer(clock: object) -> None:
    away = Postgres("postgresql://127.0.0.1:1/none", size=1, timeout=0.5)
    with pytest.raises(PostgresUnavailable):
        await ObjectStore(away, clock).find("shop", ["file-1"])  # type: ignore[arg-type]
    await away.close()
