"""A page of an admitted origin may call from a browser and reads every answer, errors and streams too; no other may."""

import asyncio
from typing import Any

import aiohttp
import pytest

from tests.eventually import PATIENCE_SECONDS
from tests.harness import CHAT, RESPONSES, STREAM, Answer, Gateway, World
from tidegate.web.cors import EXPOSED

PAGE = "https://app.example.com"
STRANGER = "https://evil.example.com"
ADMITTED: dict[str, Any] = {"server": {"cors_origins": [PAGE, "https://*.preview.example.com"], "max_body_bytes": 4096}}


async def send(gateway: Gateway, method: str, path: str, body: Any = None, **headers: str) -> Answer:
    """Return the answer to a request; headers are keywords with underscores, and no key is added."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    options = {"data": body} if isinstance(body, bytes) else {"json": body} if body is not None else {}
    async with gateway.http.request(method, gateway.root + path, headers=named, **options) as response:
        return Answer(response.status, response.headers, await response.text())


def ask_first(origin: str, *names: str) -> dict[str, str]:
    """Return the headers of a browser's preflight."""
    return {
        "origin": origin,
        "access_control_request_method": "POST",
        "access_control_request_headers": ",".join(names),
    }


async def test_a_preflight_is_answered_without_a_key(world: World) -> None:
    names = "authorization,content-type,x-stainless-retry-count,x-stainless-timeout,api-key"
    async with world.gateway(**ADMITTED) as gateway:
        for path in ("/v1/chat/completions", "/v1/models", "/openai/v1/responses", "/admin/v1/keys", "/nothing"):
            for origin in (PAGE, "https://pr-7.preview.example.com"):
                answer = await send(gateway, "OPTIONS", path, **ask_first(origin, names))
                assert (answer.status, answer.text) == (204, "")
                assert answer.headers["access-control-allow-origin"] == origin
                assert answer.headers["access-control-allow-headers"] == names
                assert "POST" in answer.headers["access-control-allow-methods"]
                assert answer.headers["access-control-max-age"] == "600"
                assert answer.headers["x-request-id"].startswith("req_")
                assert "origin" in answer.headers["vary"]
                assert "access-control-allow-credentials" not in answer.headers
            refused = await send(gateway, "OPTIONS", path, **ask_first(STRANGER, names))
            assert (refused.status, refused.error["code"]) == (403, "origin_not_allowed")
            assert "server.cors_origins" in refused.error["message"]
            assert "access-control-allow-origin" not in refused.headers


async def test_every_answer_can_be_read(world: World) -> None:
    key = f"Bearer {world.key}"
    requests: list[tuple[int, str, str, Any, dict[str, str]]] = [
        (200, "POST", "/v1/chat/completions", CHAT, {}),
        (200, "POST", "/v1/chat/completions", STREAM, {}),
        (200, "POST", "/openai/v1/responses", {**RESPONSES, "stream": True}, {}),
        (200, "GET", "/v1/models", None, {}),
        (200, "GET", "/readyz", None, {}),
        (401, "POST", "/v1/chat/completions", CHAT, {"authorization": "Bearer no"}),
        (401, "GET", "/v1/models", None, {"authorization": ""}),
        (403, "GET", "/admin/v1/keys", None, {}),
        (400, "POST", "/v1/chat/completions", b"{", {}),
        (413, "POST", "/v1/chat/completions", b"x" * 5000, {}),
        (404, "POST", "/chat/completions", CHAT, {}),
        (405, "PUT", "/v1/chat/completions", CHAT, {}),
        (405, "OPTIONS", "/v1/models", None, {}),
        (503, "POST", "/v1/chat/completions", {**CHAT, "seed": 2, "model": "m"}, {"x_simulate_fault": "overloaded"}),
        (429, "POST", "/v1/chat/completions", {**CHAT, "seed": 1}, {"x_simulate_fault": "out_of_quota"}),
    ]
    async with world.gateway(**ADMITTED, retries={"max_retries": 0}) as gateway:
        for status, method, path, body, headers in requests:
            for origin in (PAGE, STRANGER, None):
                named = {"authorization": key, **headers, **({"origin": origin} if origin else {})}
                answer = await send(gateway, method, path, body, **named)
                assert answer.status == status, (method, path, answer.text)
                assert answer.headers["vary"] == "origin"
                assert answer.headers.get("access-control-allow-origin") == (PAGE if origin == PAGE else None)
                exposed = answer.headers.get("access-control-expose-headers", "").split(", ")
                assert ("x-request-id" in exposed) is (origin == PAGE)


BROKEN = {
    "no HTTP": b"GET / HTTP/1.1\r\nhost: x\r\norigin: %s\r\naccept: */*\r\nbroken\x00line: 1\r\n\r\n",
    "two hosts": b"GET / HTTP/1.1\r\nhost: x\r\nhost: y\r\norigin: %s\r\n\r\n",
    "a giant head": b"GET / HTTP/1.1\r\nhost: x\r\norigin: %s\r\nx-large: " + b"a" * 100_000,
    "a long address": b"GET /" + b"a" * 20_000 + b" HTTP/1.1\r\nhost: x\r\norigin: %s\r\n\r\n",
    "a torn body": b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\norigin: %s\r\n"
    b"transfer-encoding: chunked\r\n\r\nno length\r\n",
    "a bad handshake": b"POST /v1/responses HTTP/1.1\r\nhost: x\r\norigin: %s\r\nconnection: upgrade\r\n"
    b"upgrade: websocket\r\n\r\n",
}
"""What the connection itself refuses, before there is a request."""


async def refusal(gateway: Gateway, sent: bytes) -> dict[str, str]:
    """Return the headers of the answer to some bytes, with the status as `status`."""
    host, port = gateway.root.removeprefix("http://").split(":")
    async with asyncio.timeout(PATIENCE_SECONDS):
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(sent)
        first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode().strip().split("\r\n")
        writer.transport.abort()
    pairs = (line.partition(": ") for line in lines)
    return {"status": first.split(" ")[1], **{name.lower(): value for name, _, value in pairs}}


@pytest.mark.parametrize("what", BROKEN)
async def test_the_refusal_of_a_connection_can_be_read_too(world: World, what: str) -> None:
    async with world.gateway(**ADMITTED) as gateway:
        for origin in (PAGE, STRANGER):
            answer = await refusal(gateway, BROKEN[what] % origin.encode())
            assert 400 <= int(answer["status"]) < 500
            assert answer["vary"] == "origin"
            assert answer.get("access-control-allow-origin") == (PAGE if origin == PAGE else None)
            assert ("x-tidegate-error" in answer.get("access-control-expose-headers", "")) is (origin == PAGE)


async def test_every_header_of_an_answer_that_is_documented_is_exposed(reference: str) -> None:
    table = reference.partition("## In an answer")[2]
    names = [name for line in table.splitlines() if line.startswith("| `") for name in line.split("|")[1].split(",")]
    ours = {name.strip(" `") for name in names} - {"x-accel-buffering"}
    assert {name for name in ours if not name.startswith(("access-control-", "vary"))} == set(EXPOSED)


@pytest.fixture
def reference(request: pytest.FixtureRequest) -> str:
    """The page that lists all headers."""
    return (request.config.rootpath / "docs" / "reference" / "headers.md").read_text()


async def test_all_origins_may_be_admitted(world: World) -> None:
    async with world.gateway(server={"cors_origins": ["*"]}) as gateway:
        for origin in (PAGE, "null", "chrome-extension://abc"):
            asked = await send(gateway, "OPTIONS", "/v1/responses", **ask_first(origin, "authorization"))
            answer = await send(gateway, "POST", "/v1/chat/completions", CHAT, origin=origin)
            assert (asked.status, answer.status) == (204, 401)
            for one in (asked, answer):
                assert one.headers["access-control-allow-origin"] == "*"
                assert "access-control-allow-credentials" not in one.headers


async def test_by_default_no_page_may_call(gateway: Gateway) -> None:
    asked = await send(gateway, "OPTIONS", "/v1/chat/completions", **ask_first(PAGE, "authorization"))
    answer = await send(gateway, "POST", "/v1/chat/completions", CHAT, origin=PAGE, authorization="Bearer no")
    assert (asked.status, answer.status) == (405, 401)
    for one in (asked, answer):
        assert not [name for name in one.headers if name.lower().startswith("access-control") or name == "vary"]


async def test_a_websocket_of_another_pages_origin_is_refused(world: World) -> None:
    async with world.gateway(**ADMITTED) as gateway:
        url = f"{gateway.base_url}/responses"
        key = {"authorization": f"Bearer {gateway.key}"}
        for origin in (PAGE, None):
            async with gateway.http.ws_connect(url, headers=key, origin=origin) as socket:
                assert not socket.closed
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await gateway.http.ws_connect(url, headers=key, origin=STRANGER)
        assert refused.value.status == 403
