"""Bodies stream upstream within bounds, and a form is completed only once all that it says is allowed."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from tests.eventually import wait_until
from tests.gateway.passthrough.upstream import OperationUpstream, Received, form, refusal
from tests.harness import Answer, Gateway, World
from tidegate.auth.grants import KeyChange

TRANSCRIPT = {"text": "High tide.", "usage": {"type": "duration", "seconds": 60}}
SOUND = b"ID3" + bytes(400_000)
MEGABYTE = 1024 * 1024


@pytest.fixture
async def upstream() -> AsyncIterator[OperationUpstream]:
    answers: dict[str, object] = {
        "POST /v1/audio/transcriptions": TRANSCRIPT,
        "POST /v1/files": {"id": "file-1", "object": "file"},
        "POST /v1/images/edits": {"created": 1, "data": [{"url": "x"}]},
        "POST /v1/images/generations": {"created": 1, "data": [{"url": "x"}]},
        "POST /v1/evals/eval_1/runs": {"id": "evalrun_1", "object": "eval.run"},
    }
    async with OperationUpstream(answers).serving() as upstream:
        yield upstream


@pytest.fixture
async def gateway(world: World, upstream: OperationUpstream) -> AsyncIterator[Gateway]:
    bounds = {"max_upload_bytes": 600_000}
    async with world.gateway(upstream={"base_url": upstream.base_url}, passthrough=bounds) as gateway:
        yield gateway


async def limited_to(world: World, *models: str) -> str:
    """Return the header of a key that may use these models only."""
    key = await world.keys.create(project="shop", name="some models", grants=KeyChange(models=models))
    return f"Bearer {key.token}"


async def in_pieces(body: bytes, size: int = 50_000) -> AsyncIterator[bytes]:
    for begin in range(0, len(body), size):
        yield body[begin : begin + size]
        await asyncio.sleep(0)


async def send(gateway: Gateway, path: str, body: bytes, content_type: str, **headers: str) -> Answer:
    """Send a body in chunks, without its size."""
    named = {"authorization": f"Bearer {gateway.key}", "content-type": content_type, **headers}
    async with gateway.http.post(gateway.base_url + path, data=in_pieces(body), headers=named) as response:
        return Answer(response.status, response.headers, await response.text())


@pytest.mark.parametrize("is_first", [True, False])
async def test_the_model_of_a_form_is_checked_wherever_it_stands(
    world: World, gateway: Gateway, upstream: OperationUpstream, *, is_first: bool
) -> None:
    key = await limited_to(world, "whisper-1")

    async def ask(*models: str) -> Answer:
        parts = [("file", SOUND, "a.mp3"), *[("model", model.encode(), None) for model in models]]
        body, content_type = form(*(reversed(parts) if is_first else parts))
        return await send(gateway, "/audio/transcriptions", body, content_type, authorization=key)

    for models in (["gpt-4o-transcribe"], ["whisper-1", "gpt-4o-transcribe"], ["gpt-4o-transcribe", "whisper-1"]):
        answer = await ask(*models)
        assert (answer.status, answer.error["code"]) == (404, "model_not_found")
    assert (await ask()).status == 404
    assert upstream.received == []
    assert (await ask("whisper-1")).json == TRANSCRIPT
    assert b'name="model"\r\n\r\nwhisper-1\r\n' in upstream.received[0].body


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/images/generations", {"prompt": "x", "model": "dall-e-3"}),
        ("/images/generations", {"prompt": "x"}),
        ("/evals/eval_1/runs", {"data_source": {"type": "completions", "model": "gpt-6-astra"}}),
    ],
)
async def test_the_models_of_json_are_checked_at_any_depth(
    world: World, gateway: Gateway, upstream: OperationUpstream, path: str, body: object
) -> None:
    answer = await gateway.call(path, body, authorization=await limited_to(world, "gpt-4o"))
    assert (answer.status, answer.error["code"]) == (404, "model_not_found")
    assert upstream.begun == 0


@pytest.mark.parametrize(
    ("body", "content_type", "status", "name"),
    [
        (form(("purpose", b"batch", None), ("file", SOUND, "a"), end=False)[0], form()[1], 400, "malformed_multipart"),
        (form(("file", b"x", "../../etc/passwd"))[0], form()[1], 400, "malformed_multipart"),
        (form(("file", SOUND, "a"))[0] + b"--more", form()[1], 400, "malformed_multipart"),
        (b"hello", form()[1], 400, "malformed_multipart"),
        (form(("file", SOUND, "a"))[0], "multipart/form-data", 400, "malformed_multipart"),
        (form(("file", SOUND, "a"))[0], "multipart/form-data; boundary=other", 400, "malformed_multipart"),
        (form(("file", SOUND, "a"))[0], "application/json", 415, "wrong_content_type"),
        (form(("file", SOUND, "a"))[0], "application/octet-stream", 415, "wrong_content_type"),
        (form(("file", bytes(700_000), "a"))[0], form()[1], 413, "upload_too_large"),
    ],
)
@pytest.mark.parametrize("has_size", [True, False])
async def test_a_hostile_body_never_becomes_a_whole_request(  # what is sent, and what is answered
    gateway: Gateway,
    upstream: OperationUpstream,
    *,
    body: bytes,
    content_type: str,
    status: int,
    name: str,
    has_size: bool,
) -> None:
    if has_size:
        answer = await gateway.call("/files", body, content_type=content_type)
    else:
        answer = await send(gateway, "/files", body, content_type)
    assert (answer.status, answer.headers["x-tidegate-error"]) == (status, name)
    assert upstream.received == []
    good, good_type = form(("purpose", b"batch", None), ("file", SOUND, "a"))
    assert (await gateway.call("/files", good, content_type=good_type)).status == 200


async def test_a_form_where_json_belongs_is_refused(gateway: Gateway, upstream: OperationUpstream) -> None:
    body, content_type = form(("prompt", b"x", None))
    answer = await gateway.call("/images/generations", body, content_type=content_type)
    assert (answer.status, answer.headers["x-tidegate-error"]) == (415, "wrong_content_type")
    assert upstream.begun == 0


async def test_a_file_that_stops_is_dropped(world: World, upstream: OperationUpstream) -> None:
    async def stops() -> AsyncIterator[bytes]:
        yield form(("file", SOUND, "a"), end=False)[0]
        await asyncio.sleep(60)

    short = {"body_seconds": 0.3}
    async with world.gateway(upstream={"base_url": upstream.base_url}, server=short) as gateway:
        headers = {"authorization": f"Bearer {gateway.key}", "content-type": form()[1]}
        async with gateway.http.post(f"{gateway.base_url}/files", data=stops(), headers=headers) as response:
            assert (response.status, response.headers["x-tidegate-error"]) == (408, "body_timeout")
    assert upstream.received == []


async def test_a_client_that_leaves_leaves_nothing_behind(
    world: World, gateway: Gateway, upstream: OperationUpstream
) -> None:
    async def never_ends() -> AsyncIterator[bytes]:
        yield form(("file", SOUND, "a"), end=False)[0]
        await asyncio.sleep(60)

    headers = {"authorization": f"Bearer {gateway.key}", "content-type": form()[1]}
    async with aiohttp.ClientSession() as http:
        call = asyncio.create_task(
            http.post(f"{gateway.base_url}/files", data=never_ends(), headers=headers).__aenter__()
        )
        await wait_until(lambda: upstream.begun == 1)
        call.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await call
    [entry] = await world.ledger_entries(1)
    assert (entry["outcome"], entry["cost_nanos"], entry["unpriced"]) == ("client_disconnected", 0, False)
    assert upstream.received == []


async def test_an_upstream_that_refuses_before_the_end_is_heard(
    world: World, upstream: OperationUpstream, gateway: Gateway
) -> None:
    async def too_large(_: Received, __: web.Request) -> web.StreamResponse:
        return refusal(413, "file_too_large", "The file is too large.")

    upstream.answers["POST /v1/files"] = too_large
    body, content_type = form(("file", bytes(550_000), "a"))
    answer = await send(gateway, "/files", body, content_type)
    assert (answer.status, answer.error["code"]) == (413, "file_too_large")
    [entry] = await world.ledger_entries(1)
    assert entry["outcome"] == "request_too_large_for_target"


async def test_a_large_file_takes_little_memory(world: World) -> None:
    """200 MB go up and come down; each takes the gateway less than 64 MB."""
    size = 200 * MEGABYTE
    got = 0

    async def drain(request: web.Request) -> web.StreamResponse:
        nonlocal got
        if request.method == "GET":
            response = web.StreamResponse(headers={"content-type": "application/octet-stream"})
            response.content_length = size
            await response.prepare(request)
            for _ in range(size // MEGABYTE):
                await response.write(bytes(MEGABYTE))
            return response
        async for data in request.content.iter_any():
            got += len(data)
        return web.json_response({"id": "file-1", "object": "file"})

    async with (
        OperationUpstream({}).serving(drain) as upstream,
        world.process(upstream={"base_url": upstream.base_url}) as gateway,
    ):
        assert (await gateway.call("/files", method="DELETE")).status == 405  # its code is loaded
        before = peak_bytes(gateway.process.pid)
        head = form(("purpose", b"batch", None), ("file", b"", "a"), end=False)[0].removesuffix(b"\r\n")

        async def body() -> AsyncIterator[bytes]:
            yield head
            for _ in range(size // MEGABYTE):
                yield bytes(MEGABYTE)
            yield b"\r\n--b0undary--\r\n"

        headers = {"authorization": f"Bearer {gateway.key}", "content-type": form()[1]}
        async with gateway.http.post(f"{gateway.base_url}/files", data=body(), headers=headers) as response:
            assert response.status == 200, await response.text()
        assert got > size
        async with gateway.open("/files/file-1/content") as response:
            received = 0
            async for data in response.content.iter_any():
                received += len(data)
        assert received == size
        assert peak_bytes(gateway.process.pid) - before < 64 * MEGABYTE


def peak_bytes(pid: int) -> int:
    """Return the most memory that a process has had."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    found = next(line for line in lines if line.startswith("VmHWM"))
    return int(found.split()[1]) * 1024
