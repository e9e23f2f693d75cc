"""A request's objects are checked where its bytes can name one; models of the configuration belong to everyone."""

import pytest

from tests.ownership.new_objects import HERE, new
from tidegate.core.clock import ManualClock
from tidegate.core.errors import UpstreamObjectNotFound
from tidegate.core.process.heavy_turns import HeavyTurns
from tidegate.core.values import Caller
from tidegate.ownership.object_store import ObjectStore
from tidegate.ownership.owners import ObjectOwners
from tidegate.pipeline.named_objects import NamedObjects
from tidegate.storage.postgres import Postgres
from tidegate.wire.operations.operation import ObjectKind

TUNED = "ft:gpt-4o:shop::abc"
CALLER = Caller(key_id="key_1", project="shop", name="web")
PADDING = b'"text":"' + b"x" * 3_000_000 + b'"'


@pytest.fixture
async def named(postgres: Postgres, clock: ManualClock) -> NamedObjects:
    async with postgres.connection() as connection:
        await connection.execute("INSERT INTO projects (id) VALUES ('shop'), ('bank')")
    store = ObjectStore(postgres, clock)
    await store.record("shop", [new("file-mine1"), new(TUNED, ObjectKind.MODEL)])
    await store.record("bank", [new("file-other1"), new("ft:gpt-4o:bank::abc", ObjectKind.MODEL)])
    owners = ObjectOwners(store, clock, unrecorded="refuse")
    return NamedObjects(owners, HeavyTurns(), configured={"ft:gpt-4o:all::abc"}, accounts={})


@pytest.mark.parametrize("padding", [b'"text":""', PADDING])
async def test_ones_own_objects_are_found_in_bodies_of_any_size(named: NamedObjects, padding: bytes) -> None:
    body = b"{" + padding + b',"file_id":"file-mine1"}'
    assert named.may_name(body) is not None
    assert await named.may_be_named_in_heavy(body, CALLER)
    assert await named.check(body, CALLER) == HERE
    with pytest.raises(UpstreamObjectNotFound):
        await named.check(body.replace(b"mine", b"other"), CALLER)


@pytest.mark.parametrize("shift", range(0, 40, 3))
async def test_an_id_is_found_across_the_pieces_of_a_search(named: NamedObjects, shift: int) -> None:
    body = b'{"t":"' + b"x" * (1024 * 1024 - 20 - shift) + b'","vector_store_ids":[]}'
    assert await named.may_be_named_in_heavy(body, CALLER)
    assert not await named.may_be_named_in_heavy(body.replace(b"vector_store_ids", b"something_el_ids"), CALLER)


@pytest.mark.parametrize(
    ("model", "is_refused"),
    [(TUNED, False), ("gpt-4o", False), ("ft:gpt-4o:all::abc", False), ("ft:gpt-4o:bank::abc", True), ("ft:x", True)],
)
async def test_models_of_the_address_and_of_the_body(named: NamedObjects, model: str, *, is_refused: bool) -> None:
    for body, address in ((b'{"model":"' + model.encode() + b'"}', ""), (b"{}", model)):
        if is_refused:
            with pytest.raises(UpstreamObjectNotFound):
                await named.check(body, CALLER, model=address)
        else:
            await named.check(body, CALLER, model=address)
