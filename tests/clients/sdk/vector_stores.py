"""The rows of vector stores."""

from typing import Any

from openai import AsyncOpenAI

from tests.clients.sdk.methods import Made, Row, in_memory

_POLL = 20
"""Milliseconds between looks at a job."""


async def _store(client: AsyncOpenAI, *files: str) -> str:
    return (await client.vector_stores.create(name="tides", file_ids=list(files))).id


async def _with_file(client: AsyncOpenAI, made: Made, text: str = "The tide is high.") -> tuple[str, str]:
    file_id = await made.file("assistants", text=text)
    return await _store(client, file_id), file_id


async def _create(client: AsyncOpenAI, made: Made) -> Any:
    file_id = await made.file("assistants")
    store = await client.vector_stores.create(
        name="a", file_ids=[file_id], metadata={"b": "c"}, expires_after={"anchor": "last_active_at", "days": 2}
    )
    assert (store.name, store.metadata, store.file_counts.total) == ("a", {"b": "c"}, 1)
    return store


async def _retrieve(client: AsyncOpenAI, made: Made) -> Any:
    store_id, _ = await _with_file(client, made)
    store = await client.vector_stores.retrieve(store_id)
    assert (store.id, store.status, store.file_counts.completed) == (store_id, "completed", 1)
    assert store.usage_bytes == 17
    return store


async def _update(client: AsyncOpenAI, _: Made) -> Any:
    store = await client.vector_stores.update(await _store(client), name="b")
    assert store.name == "b"
    return store


async def _list(client: AsyncOpenAI, _: Made) -> Any:
    ids = [await _store(client) for _ in range(3)]
    page = await client.vector_stores.list(limit=2)
    assert [store.id for store in page.data] == ids[:0:-1]
    assert [store.id async for store in client.vector_stores.list(limit=2)][:3] == ids[::-1]
    return page


async def _delete(client: AsyncOpenAI, _: Made) -> Any:
    deleted = await client.vector_stores.delete(await _store(client))
    assert (deleted.deleted, deleted.object) == (True, "vector_store.deleted")
    return deleted


async def _search(client: AsyncOpenAI, made: Made) -> Any:
    files = [
        await made.file("assistants", f"{text[:4]}.txt", text) for text in ("The tide is high.", "Bread is baked.")
    ]
    page = await client.vector_stores.search(await _store(client, *files), query="how high is the tide")
    assert [hit.filename for hit in page.data] == ["The .txt", "Brea.txt"]
    assert page.data[0].score > page.data[1].score
    assert page.data[0].content[0].text == "The tide is high."
    return page


async def _files_create(client: AsyncOpenAI, made: Made) -> Any:
    file_id = await made.file("assistants")
    file = await client.vector_stores.files.create(await _store(client), file_id=file_id, attributes={"a": 1})
    assert (file.id, file.attributes) == (file_id, {"a": 1})
    return file


async def _files_create_and_poll(client: AsyncOpenAI, made: Made) -> Any:
    file_id = await made.file("assistants")
    file = await client.vector_stores.files.create_and_poll(
        file_id, vector_store_id=await _store(client), poll_interval_ms=_POLL
    )
    assert file.status == "completed"
    return file


async def _files_poll(client: AsyncOpenAI, made: Made) -> Any:
    store_id, file_id = await _with_file(client, made)
    file = await client.vector_stores.files.poll(file_id, vector_store_id=store_id, poll_interval_ms=_POLL)
    assert file.status == "completed"
    return file


async def _files_retrieve(client: AsyncOpenAI, made: Made) -> Any:
    store_id, file_id = await _with_file(client, made)
    file = await client.vector_stores.files.retrieve(file_id, vector_store_id=store_id)
    assert (file.vector_store_id, file.status) == (store_id, "completed")
    return file


async def _files_update(client: AsyncOpenAI, made: Made) -> Any:
    store_id, file_id = await _with_file(client, made)
    file = await client.vector_stores.files.update(file_id, vector_store_id=store_id, attributes={"sea": "north"})
    assert file.attributes == {"sea": "north"}
    return file


async def _files_list(client: AsyncOpenAI, made: Made) -> Any:
    store_id, file_id = await _with_file(client, made)
    page = await client.vector_stores.files.list(store_id, filter="completed")
    assert [file.id for file in page.data] == [file_id]
    assert (await client.vector_stores.files.list(store_id, filter="failed")).data == []
    return page


async def _files_delete(client: AsyncOpenAI, made: Made) -> Any:
    store_id, file_id = await _with_file(client, made)
    deleted = await client.vector_stores.files.delete(file_id, vector_store_id=store_id)
    assert deleted.deleted
    assert (await client.vector_stores.files.list(store_id)).data == []
    return deleted


async def _files_content(client: AsyncOpenAI, made: Made) -> Any:
    store_id, file_id = await _with_file(client, made, "abc")
    page = await client.vector_stores.files.content(file_id, vector_store_id=store_id)
    assert [piece.text for piece in page.data] == ["abc"]
    return page


async def _files_upload(client: AsyncOpenAI, _: Made) -> Any:
    file = await client.vector_stores.files.upload(vector_store_id=await _store(client), file=in_memory(b"abc"))
    assert (await client.files.retrieve(file.id)).bytes == 3
    return file


async def _files_upload_and_poll(client: AsyncOpenAI, _: Made) -> Any:
    file = await client.vector_stores.files.upload_and_poll(
        vector_store_id=await _store(client), file=in_memory(b"abc"), poll_interval_ms=_POLL
    )
    assert file.status == "completed"
    return file


async def _batch(client: AsyncOpenAI, made: Made) -> tuple[str, str]:
    store_id = await _store(client)
    batch = await client.vector_stores.file_batches.create(store_id, file_ids=[await made.file("assistants")])
    return store_id, batch.id


async def _batches_create(client: AsyncOpenAI, made: Made) -> Any:
    file_id = await made.file("assistants")
    batch = await client.vector_stores.file_batches.create(await _store(client), file_ids=[file_id])
    assert batch.file_counts.total == 1
    return batch


async def _batches_create_and_poll(client: AsyncOpenAI, made: Made) -> Any:
    file_id = await made.file("assistants")
    batch = await client.vector_stores.file_batches.create_and_poll(
        await _store(client), file_ids=[file_id], poll_interval_ms=_POLL
    )
    assert (batch.status, batch.file_counts.completed) == ("completed", 1)
    return batch


async def _batches_poll(client: AsyncOpenAI, made: Made) -> Any:
    store_id, batch_id = await _batch(client, made)
    batch = await client.vector_stores.file_batches.poll(batch_id, vector_store_id=store_id, poll_interval_ms=_POLL)
    assert batch.status == "completed"
    return batch


async def _batches_retrieve(client: AsyncOpenAI, made: Made) -> Any:
    store_id, batch_id = await _batch(client, made)
    batch = await client.vector_stores.file_batches.retrieve(batch_id, vector_store_id=store_id)
    assert (batch.id, batch.status) == (batch_id, "completed")
    return batch


async def _batches_cancel(client: AsyncOpenAI, _: Made) -> Any:
    slow = client.with_options(default_headers={"x-simulate-job-seconds": "600"})
    store_id, batch_id = await _batch(slow, Made(slow))
    batch = await client.vector_stores.file_batches.cancel(batch_id, vector_store_id=store_id)
    assert batch.status in ("cancelled", "completed")
    return batch


async def _batches_list_files(client: AsyncOpenAI, made: Made) -> Any:
    store_id, batch_id = await _batch(client, made)
    page = await client.vector_stores.file_batches.list_files(batch_id, vector_store_id=store_id)
    assert [file.vector_store_id for file in page.data] == [store_id]
    return page


async def _batches_upload_and_poll(client: AsyncOpenAI, _: Made) -> Any:
    batch = await client.vector_stores.file_batches.upload_and_poll(
        await _store(client), files=[in_memory(b"abc"), in_memory(b"def")], poll_interval_ms=_POLL
    )
    assert batch.file_counts.completed == 2
    return batch


ROWS: dict[str, Row] = {
    "vector_stores.create": _create,
    "vector_stores.retrieve": _retrieve,
    "vector_stores.update": _update,
    "vector_stores.list": _list,
    "vector_stores.delete": _delete,
    "vector_stores.search": _search,
    "vector_stores.files.create": _files_create,
    "vector_stores.files.create_and_poll": _files_create_and_poll,
    "vector_stores.files.poll": _files_poll,
    "vector_stores.files.retrieve": _files_retrieve,
    "vector_stores.files.update": _files_update,
    "vector_stores.files.list": _files_list,
    "vector_stores.files.delete": _files_delete,
    "vector_stores.files.content": _files_content,
    "vector_stores.files.upload": _files_upload,
    "vector_stores.files.upload_and_poll": _files_upload_and_poll,
    "vector_stores.file_batches.create": _batches_create,
    "vector_stores.file_batches.create_and_poll": _batches_create_and_poll,
    "vector_stores.file_batches.poll": _batches_poll,
    "vector_stores.file_batches.retrieve": _batches_retrieve,
    "vector_stores.file_batches.cancel": _batches_cancel,
    "vector_stores.file_batches.list_files": _batches_list_files,
    "vector_stores.file_batches.upload_and_poll": _batches_upload_and_poll,
}
