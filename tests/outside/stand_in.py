"""A front for the official client's own tests: it gives their made-up ids something to name.

Those tests are written for a mock that answers anything: they ask for the response `resp_677e…`, which does not exist.
For each request with such an id in its path the front makes the thing at the gateway, and sends the request on with
the id of what it made. It also puts in the gateway's key, as theirs is made up as well.
"""

import re
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
from starlette.requests import Request
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from tests.eventually import wait_until_async
from tests.harness import Json

MODEL = "gpt-4o-mini"
_PATHS = {
    "response": re.compile(r"^(/responses/)([^/]+)(.*)$"),
    "completion": re.compile(r"^(/chat/completions/)([^/]+)(.*)$"),
    "conversation": re.compile(r"^(/conversations/)([^/]+)(.*)$"),
}
_ITEM = re.compile(r"^(/conversations/[^/]+/items/)([^/]+)$")
_OWN_ROUTES = ("compact", "input_tokens")
"""What follows `/responses/` without being an id."""
_LEFT_OUT = {"host", "content-length", "authorization", "connection", "transfer-encoding", "accept-encoding"}


class StandIn:
    """An ASGI app in front of the gateway at `base_url`, which the client knows by the same path `/v1`."""

    def __init__(self, http: aiohttp.ClientSession, base_url: str, key: str, admin_key: str) -> None:
        """`admin_key` is used to delete models, as an owner's key would be at OpenAI."""
        self._http = http
        self._base_url = base_url
        self._key = key
        self._admin_key = admin_key

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request."""
        if scope["type"] == "http":
            await (await self._answer(Request(scope, receive)))(scope, receive, send)

    async def _answer(self, request: Request) -> StreamingResponse:
        path = await self._with_real_ids(request.url.path.removeprefix("/v1"))
        key = self._admin_key if request.method == "DELETE" and path.startswith("/models/") else self._key
        headers = {name: value for name, value in request.headers.items() if name not in _LEFT_OUT}
        answer = await self._http.request(
            request.method,
            f"{self._base_url}{path}?{request.url.query}",
            data=await request.body(),
            headers={**headers, "authorization": f"Bearer {key}"},
        )
        kept = {name: value for name, value in answer.headers.items() if name.lower() not in _LEFT_OUT}
        return StreamingResponse(_chunks(answer), status_code=answer.status, headers=kept)

    async def _with_real_ids(self, path: str) -> str:
        for kind, pattern in _PATHS.items():
            if (found := pattern.match(path)) and found[2] not in _OWN_ROUTES:
                path = found[1] + await self._make(kind) + found[3]
        if found := _ITEM.match(path):
            items = await self._ask("GET", found[1].rstrip("/"))
            path = found[1] + items["data"][0]["id"]
        return path

    async def _make(self, kind: str) -> str:
        if kind == "completion":
            body = {"model": MODEL, "messages": [{"role": "user", "content": "Hello"}], "store": True}
            return str((await self._ask("POST", "/chat/completions", body))["id"])
        if kind == "conversation":
            item = {"type": "message", "role": "user", "content": "Hello"}
            return str((await self._ask("POST", "/conversations", {"items": [item]}))["id"])
        # only one that was begun in the background can be cancelled and read as a stream
        made = await self._ask("POST", "/responses", {"model": MODEL, "input": "Hello", "background": True})

        async def is_done() -> bool:
            return str((await self._ask("GET", f"/responses/{made['id']}"))["status"]) == "completed"

        await wait_until_async(is_done)
        return str(made["id"])

    async def _ask(self, method: str, path: str, body: Any = None) -> Json:
        headers = {"authorization": f"Bearer {self._key}", "cache-control": "no-store"}
        async with self._http.request(method, self._base_url + path, json=body, headers=headers) as answer:
            assert answer.status == 200, await answer.text()
            document: Json = await answer.json()
            return document


async def _chunks(answer: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
    async with answer:
        async for chunk in answer.content.iter_any():
            yield chunk
