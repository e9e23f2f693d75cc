"""A batch whose file has a forbidden model, another address or another project's object is not made."""

import json
from collections.abc import AsyncIterator

import pytest
from aiohttp import web

from tests.gateway.passthrough.upstream import OperationUpstream, Received, form
from tests.harness import Gateway, World
from tidegate.auth.grants import KeyChange

CHAT = "/v1/chat/completions"
BATCH = {"object": "batch", "status": "validating", "created_at": 1_790_000_000}


def line(model: str = "gpt-4o-mini", url: str = CHAT, **body: object) -> str:
    """Return a line of a batch's file."""
    return json.dumps({"custom_id": "1", "method": "POST", "url": url, "body": {"model": model, **body}})


class FilesUpstream(OperationUpstream):
    """Keeps each file, and gives it back."""

    def __init__(self) -> None:
        super().__init__({"POST /v1/files": self._create, "POST /v1/batches": self._begin})
        self.files = 0

    async def _begin(self, _: Received, __: web.Request) -> web.StreamResponse:
        return web.json_response({**BATCH, "id": f"batch_{len(self.received):012}"})

    async def _create(self, received: Received, _: web.Request) -> web.StreamResponse:
        self.files += 1
        file_id = f"file-{self.files:012}"
        content = received.body.partition(b'filename="x"\r\n\r\n')[2].rpartition(b"\r\n--b0undary")[0]

        async def give(_: Received, __: web.Request) -> web.StreamResponse:
            return web.Response(body=content)

        self.answers[f"GET /v1/files/{file_id}/content"] = give
        return web.json_response({"id": file_id, "object": "file", "created_at": 1_790_000_000})


@pytest.fixture
async def upstream() -> AsyncIterator[FilesUpstream]:
    async with FilesUpstream().serving() as upstream:
        assert isinstance(upstream, FilesUpstream)
        yield upstream


@pytest.fixture
async def gateway(world: World, upstream: FilesUpstream) -> AsyncIterator[Gateway]:
    some = {"operations": ["files.*", "batches.*"]}
    async with world.gateway(upstream={"base_url": upstream.base_url}, passthrough=some) as gateway:
        yield gateway


async def make(gateway: Gateway, key: str, text: str, endpoint: str = CHAT) -> tuple[int, str]:
    """Upload a file and make a batch of it; return the answer's status and the name of its error."""
    authorization = f"Bearer {key}"
    body, content_type = form(("purpose", b"batch", None), ("file", text.encode(), "x"))
    file = await gateway.call("/files", body, content_type=content_type, authorization=authorization)
    request = {"input_file_id": file.json["id"], "endpoint": endpoint, "completion_window": "24h"}
    answer = await gateway.call("/batches", request, authorization=authorization)
    return answer.status, answer.headers.get("x-tidegate-error", "")


async def test_each_line_is_checked_before_the_batch_is_made(
    world: World, gateway: Gateway, upstream: FilesUpstream
) -> None:
    some = (await world.keys.create(project="shop", name="some", grants=KeyChange(models=("gpt-4o-mini",)))).token
    every = (await world.keys.create(project="shop", name="every")).token
    other = (await world.keys.create(project="bank", name="other")).token
    good = "\n".join([line()] * 1000)
    theirs = f"file-{1:012}"
    assert await make(gateway, other, good) == (200, "")
    made = upstream.files
    assert [each.path for each in upstream.received].count("/v1/batches") == 1
    for key, text, endpoint, outcome in (
        (some, good, CHAT, (200, "")),
        (every, line("gpt-5"), CHAT, (200, "")),
        (some, f"{good}\n{line('gpt-5')}", CHAT, (400, "batch_line_refused")),
        (every, f"{good}\n{line(url='/v1/embeddings')}", CHAT, (400, "batch_line_refused")),
        (every, f"{good}\n{line(file_id=theirs)}", CHAT, (404, "upstream_object_not_found")),
        (every, line("ft:gpt-4o:bank::abc"), CHAT, (404, "upstream_object_not_found")),
        (every, f"{good}\nnot JSON", CHAT, (400, "batch_line_refused")),
        (every, line(url="/v1/images/generations"), "/v1/images/generations", (403, "operation_not_allowed")),
    ):
        assert await make(gateway, key, text, endpoint) == outcome, text[-200:]
    assert upstream.files == made + 8
    assert [each.path for each in upstream.received].count("/v1/batches") == 3
