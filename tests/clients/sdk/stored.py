"""The rows of files, uploads and batches."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from openai import AsyncOpenAI

from tests.clients.sdk.methods import Made, Row, named


async def _files_create(client: AsyncOpenAI, _: Made) -> Any:
    made = await client.files.create(file=named("a.txt", "12345"), purpose="user_data")
    assert (made.object, made.bytes, made.filename, made.purpose) == ("file", 5, "a.txt", "user_data")
    return made


async def _files_retrieve(client: AsyncOpenAI, made: Made) -> Any:
    file_id = await made.file()
    found = await client.files.retrieve(file_id)
    assert (found.id, found.status) == (file_id, "processed")
    return found


async def _files_list(client: AsyncOpenAI, made: Made) -> Any:
    ids = [await made.file() for _ in range(3)]
    page = await client.files.list(limit=2)
    assert [file.id for file in page.data] == ids[:0:-1]
    assert [file.id async for file in client.files.list(limit=2, purpose="user_data")][:3] == ids[::-1]
    return page


async def _files_delete(client: AsyncOpenAI, made: Made) -> Any:
    file_id = await made.file()
    deleted = await client.files.delete(file_id)
    assert deleted.deleted
    assert file_id not in [file.id async for file in client.files.list()]
    return deleted


async def _files_content(client: AsyncOpenAI, made: Made) -> Any:
    content = await client.files.content(await made.file(text="abc"))
    assert content.content == b"abc"
    return content


async def _files_retrieve_content(client: AsyncOpenAI, made: Made) -> Any:
    text = await client.files.retrieve_content(await made.file(text="abc"))  # pyright: ignore[reportDeprecated]
    assert text == "abc"
    return text


async def _files_wait(client: AsyncOpenAI, made: Made) -> Any:
    file = await client.files.wait_for_processing(await made.file())
    assert file.status == "processed"
    return file


async def _uploads_create(client: AsyncOpenAI, _: Made) -> Any:
    made = await client.uploads.create(bytes=9, filename="u.txt", mime_type="text/plain", purpose="user_data")
    assert (made.status, made.bytes, made.filename) == ("pending", 9, "u.txt")
    return made


async def _uploads_parts(client: AsyncOpenAI, made: Made) -> Any:
    upload_id = await made.upload()
    part = await client.uploads.parts.create(upload_id, data=b"tides")
    assert part.upload_id == upload_id
    return part


async def _uploads_complete(client: AsyncOpenAI, made: Made) -> Any:
    upload_id = await made.upload(b"high low")
    parts = [(await client.uploads.parts.create(upload_id, data=data)).id for data in (b"low", b"high ")]
    done = await client.uploads.complete(upload_id, part_ids=parts[::-1])
    assert done.status == "completed"
    assert done.file is not None
    assert (await client.files.content(done.file.id)).content == b"high low"
    return done


async def _uploads_cancel(client: AsyncOpenAI, made: Made) -> Any:
    upload = await client.uploads.cancel(await made.upload())
    assert upload.status == "cancelled"
    return upload


async def _uploads_chunked(client: AsyncOpenAI, _: Made) -> Any:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "long.txt"
        path.write_bytes(b"tide" * 1000)
        done = await client.uploads.upload_file_chunked(
            file=path, mime_type="text/plain", purpose="user_data", part_size=1500
        )
    assert done.file is not None
    assert done.file.bytes == 4000
    return done


async def _batches_create(client: AsyncOpenAI, made: Made) -> Any:
    batch = await client.batches.retrieve(await made.batch())
    assert batch.request_counts is not None
    assert (batch.object, batch.request_counts.failed) == ("batch", 0)
    line = '{"custom_id": "a", "method": "POST", "url": "/v1/embeddings", "body": {"model": "e", "input": "a"}}'
    created = await client.batches.create(
        input_file_id=await made.file("batch", "l.jsonl", line),
        endpoint="/v1/embeddings",
        completion_window="24h",
        metadata={"a": "b"},
    )
    assert (created.status, created.metadata) == ("validating", {"a": "b"})
    return created


async def _batches_retrieve(client: AsyncOpenAI, made: Made) -> Any:
    batch = await client.batches.retrieve(await made.batch())
    assert batch.status == "completed"
    assert batch.output_file_id is not None
    assert batch.usage is not None
    assert batch.usage.total_tokens > 0
    output = await client.files.content(batch.output_file_id)
    assert '"custom_id":"a"' in output.text
    return batch


async def _batches_cancel(client: AsyncOpenAI, _: Made) -> Any:
    slow = client.with_options(default_headers={"x-simulate-job-seconds": "600"})
    batch_id = await Made(slow).batch()
    cancelled = await client.batches.cancel(batch_id)
    assert cancelled.status in ("cancelling", "cancelled")
    return cancelled


async def _batches_list(client: AsyncOpenAI, made: Made) -> Any:
    batch_id = await made.batch()
    page = await client.batches.list(limit=1)
    assert [batch.id for batch in page.data] == [batch_id]
    return page


ROWS: dict[str, Row] = {
    "files.create": _files_create,
    "files.retrieve": _files_retrieve,
    "files.list": _files_list,
    "files.delete": _files_delete,
    "files.content": _files_content,
    "files.retrieve_content": _files_retrieve_content,
    "files.wait_for_processing": _files_wait,
    "uploads.create": _uploads_create,
    "uploads.parts.create": _uploads_parts,
    "uploads.complete": _uploads_complete,
    "uploads.cancel": _uploads_cancel,
    "uploads.upload_file_chunked": _uploads_chunked,
    "batches.create": _batches_create,
    "batches.retrieve": _batches_retrieve,
    "batches.cancel": _batches_cancel,
    "batches.list": _batches_list,
}
