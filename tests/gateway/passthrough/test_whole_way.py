"""An operation passes through with its bytes unchanged, under the rules of its key and with a line in the ledger."""

from collections.abc import AsyncIterator

import pytest
from aiohttp import web

from tests.gateway.passthrough.upstream import OperationUpstream, Received, form, refusal
from tests.harness import UPSTREAM_KEY, Gateway, World
from tidegate.auth.grants import KeyChange, LimitsChange

FILE = {"id": "file-1", "object": "file", "bytes": 5, "filename": "tides.jsonl", "purpose": "batch", "new": [1.0, "é"]}


@pytest.fixture
async def upstream() -> AsyncIterator[OperationUpstream]:
    async def content(_: Received, request: web.Request) -> web.StreamResponse:
        data = bytes(range(256)) * 1000
        wanted = request.http_range
        if wanted.start is None:
            return web.Response(body=data, content_type="application/octet-stream")
        headers = {"content-range": f"bytes {wanted.start}-{wanted.stop - 1}/{len(data)}"}
        return web.Response(body=data[wanted], status=206, headers=headers)

    answers: dict[str, object] = {
        "POST /v1/files": FILE,
        "GET /v1/files": {"object": "list", "data": [FILE], "has_more": False},
        "GET /v1/files/file-1": FILE,
        "DELETE /v1/files/file-1": {"id": "file-1", "object": "file", "deleted": True},
        "GET /v1/files/file-1/content": content,
        "POST /v1/batches/batch_1/cancel": {"id": "batch_1", "object": "batch", "status": "cancelling"},
    }
    async with OperationUpstream(answers).serving() as upstream:
        yield upstream


@pytest.fixture
async def gateway(world: World, upstream: OperationUpstream) -> AsyncIterator[Gateway]:
    open_to_all = {"unrecorded": "allow"}
    async with world.gateway(upstream={"base_url": upstream.base_url}, passthrough=open_to_all) as gateway:
        yield gateway


async def test_a_file_goes_up_as_it_is_and_its_answer_comes_back_as_it_is(
    world: World, gateway: Gateway, upstream: OperationUpstream
) -> None:
    body, content_type = form(("purpose", b"batch", None), ("file", b"\x00\xff" * 300_000, "tides.jsonl"))
    answer = await gateway.call("/files", body, content_type=content_type)
    assert (answer.status, answer.json) == (200, FILE)
    [received] = upstream.received
    assert received.body == body
    assert received.headers["content-type"] == content_type
    assert received.headers["authorization"] == f"Bearer {UPSTREAM_KEY}"
    assert gateway.key not in str(received.headers)
    [entry] = await world.ledger_entries(1)
    assert (entry["route"], entry["outcome"], entry["cost_nanos"], entry["unpriced"]) == (
        "files.create",
        "ok",
        0,
        False,
    )
    assert entry["id"] == answer.headers["x-request-id"]
    assert entry["upstream_request_id"] == "req_upstream"


async def test_a_file_comes_down_as_it_is_and_in_ranges(gateway: Gateway) -> None:
    async with gateway.open("/files/file-1/content") as response:
        data = await response.read()
        assert (response.status, response.headers["content-length"]) == (200, "256000")
    assert data == bytes(range(256)) * 1000
    async with gateway.open("/files/file-1/content", range="bytes=256-511") as response:
        assert (response.status, await response.read()) == (206, bytes(range(256)))
        assert response.headers["content-range"] == "bytes 256-511/256000"
    async with gateway.open("/files/file-1/content", method="HEAD") as response:
        assert (response.status, response.headers["content-length"]) == (200, "256000")
    assert (await gateway.call("/files/file-1")).json == FILE  # the connections are in order


async def test_json_operations_go_through_with_their_query(gateway: Gateway, upstream: OperationUpstream) -> None:
    assert (await gateway.call("/files/file-1?limit=2&metadata%5Ba%5D=b")).json == FILE
    assert upstream.received[-1].query == "limit=2&metadata%5Ba%5D=b"
    assert (await gateway.call("/files/file-1", method="DELETE")).json["deleted"] is True
    assert (await gateway.call("/batches/batch_1/cancel", b"", method="POST")).json["status"] == "cancelling"
    async with gateway.sdk() as client:
        assert (await client.files.retrieve("file-1")).filename == "tides.jsonl"
        assert [file.id async for file in client.files.list()] == []
        await client.files.create(file=("tides.jsonl", b"{}"), purpose="batch")
        assert [file.id async for file in client.files.list()] == ["file-1"]


async def test_errors_of_the_upstream_keep_their_words(world: World, gateway: Gateway) -> None:
    answer = await gateway.call("/files/file-2")
    assert (answer.status, answer.error["code"]) == (404, "not_found")
    assert answer.error["message"] == "No such path: /v1/files/file-2"
    assert answer.headers["x-tidegate-error"] == "upstream_not_found"
    [entry] = await world.ledger_entries(1)
    assert (entry["route"], entry["outcome"], entry["cost_nanos"]) == ("files.retrieve", "upstream_not_found", 0)


@pytest.mark.parametrize(
    ("method", "path", "status", "name", "words"),
    [
        ("PUT", "/files", 405, "method_not_allowed", "use GET or POST"),
        ("GET", "/organization/usage/completions", 404, "operation_not_carried", "needs an admin key"),
        ("POST", "/assistants", 404, "operation_not_carried", "retired"),
        ("GET", "/threads/thread_1/runs", 404, "operation_not_carried", "retired"),
        ("GET", "/something/new", 404, "operation_not_carried", "passthrough.unknown"),
        ("GET", "/files/..", 404, "operation_not_carried", "passthrough.unknown"),
    ],
)
async def test_what_is_not_carried_is_said_so(  # what is refused, and how
    gateway: Gateway, upstream: OperationUpstream, method: str, path: str, status: int, name: str, words: str
) -> None:
    url = path.replace("..", "%2e%2e")
    answer = await gateway.call(url, method=method)
    assert (answer.status, answer.headers["x-tidegate-error"]) == (status, name)
    assert words in answer.error["message"]
    assert upstream.begun == 0


async def test_a_key_is_needed(gateway: Gateway, upstream: OperationUpstream) -> None:
    assert (await gateway.call("/files", authorization="Bearer sk-tg-unknown")).status == 401
    assert upstream.begun == 0


async def test_requests_are_limited(world: World, upstream: OperationUpstream) -> None:
    grants = KeyChange(limits=LimitsChange(rpm=2))
    key = (await world.keys.create(project="shop", name="limited", grants=grants)).token
    open_to_all = {"unrecorded": "allow"}
    async with world.gateway(upstream={"base_url": upstream.base_url}, passthrough=open_to_all) as gateway:
        statuses = [(await gateway.call("/files/file-1", authorization=f"Bearer {key}")).status for _ in range(3)]
    assert statuses == [200, 200, 429]
    assert upstream.begun == 2


async def test_an_unknown_path_goes_through_where_the_operator_allows_it(
    world: World, upstream: OperationUpstream
) -> None:
    upstream.answers["POST /v1/something/new"] = {"ok": True}
    allowed = {"unknown": "allow"}
    async with world.gateway(upstream={"base_url": upstream.base_url}, passthrough=allowed) as gateway:
        assert (await gateway.call("/something/new", {"a": 1})).json == {"ok": True}
        assert (await gateway.call("/organization/costs")).status == 404
    assert upstream.received[-1].body == b'{"a": 1}'
    [entry] = await world.ledger_entries(1)
    assert (entry["route"], entry["unpriced"]) == ("unknown", True)


async def test_an_operation_that_is_not_configured_is_refused(world: World, upstream: OperationUpstream) -> None:
    some = {"operations": ["files.*"]}
    async with world.gateway(upstream={"base_url": upstream.base_url}, passthrough=some) as gateway:
        assert (await gateway.call("/files")).status == 200
        answer = await gateway.call("/batches")
    assert (answer.status, answer.headers["x-tidegate-error"]) == (403, "operation_not_allowed")


async def test_another_credential_answers_where_one_is_refused(world: World, upstream: OperationUpstream) -> None:
    upstream.keys = {"sk-good"}
    credentials = [{"name": "first", "api_key": "sk-bad"}, {"name": "second", "api_key": "sk-good"}]
    provider = {"kind": "openai", "base_url": upstream.base_url, "credentials": credentials}
    async with world.gateway(providers={"openai": provider}, passthrough={"unrecorded": "allow"}) as gateway:
        assert (await gateway.call("/files/file-1")).json == FILE
        assert (await gateway.call("/files/file-1")).json == FILE
    assert [each.headers["authorization"] for each in upstream.received].count("Bearer sk-bad") == 1
    entries = await world.ledger_entries(2)
    assert [(entry["credential"], entry["attempts"]) for entry in entries] == [("second", 2), ("second", 1)]


async def test_a_refused_answer_is_no_answer(gateway: Gateway, upstream: OperationUpstream) -> None:
    async def overloaded(_: Received, __: web.Request) -> web.StreamResponse:
        return refusal(503, "server_is_overloaded", "The server is overloaded.")

    upstream.answers["GET /v1/batches/batch_1"] = overloaded
    answer = await gateway.call("/batches/batch_1")
    assert (answer.status, answer.headers["x-should-retry"]) == (503, "true")
