"""Pages of audit lines join without a gap or a repeat."""

import pytest

from tidegate.audit.act import AuditAct, AuditActor
from tidegate.audit.store import AuditFilter, AuditStore
from tidegate.storage.postgres import Postgres


@pytest.mark.parametrize("size", [1, 3, 10])
async def test_pages_join(postgres: Postgres, size: int) -> None:
    store = AuditStore(postgres)
    actor = AuditActor(kind="cli", id="0", name="root", address="host")
    written = [await store.begin(actor, AuditAct(action="keys.create"), at=1.0) for _ in range(7)]
    read: list[int] = []
    while page := await store.read(AuditFilter(before=read[-1] if read else None, limit=size)):
        read += [entry.id for entry in page]
    assert read == written[::-1]
