"""An upstream that accepts the keys it is told to, and counts the calls of each."""

import contextlib
from collections import Counter
from collections.abc import AsyncIterator

from aiohttp import web

from tests.free_ports import first_of_free_ports

_ANSWER = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 1,
    "model": "gpt-4o-mini",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hi"}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5},
}


class KeyedUpstream:
    """The upstream's keys, and who called with which."""

    def __init__(self, *keys: str) -> None:
        self.keys = set(keys)
        self.calls: Counter[str] = Counter()
        """Calls by key, refused ones too."""
        self.probes: Counter[str] = Counter()
        self.base_url = ""

    async def _models(self, request: web.Request) -> web.Response:
        key = _key_of(request)
        self.probes[key] += 1
        return web.json_response({"object": "list", "data": []}) if key in self.keys else _refusal()

    async def _chat(self, request: web.Request) -> web.Response:
        key = _key_of(request)
        await request.read()
        self.calls[key] += 1
        return web.json_response(_ANSWER) if key in self.keys else _refusal()

    @contextlib.asynccontextmanager
    async def serving(self) -> AsyncIterator["KeyedUpstream"]:
        """Serve on a free port."""
        app = web.Application()
        app.router.add_get("/v1/models", self._models)
        app.router.add_post("/v1/chat/completions", self._chat)
        runner = web.AppRunner(app)
        await runner.setup()
        port = first_of_free_ports(1)
        await web.TCPSite(runner, "127.0.0.1", port).start()
        self.base_url = f"http://127.0.0.1:{port}/v1"
        try:
            yield self
        finally:
            await runner.cleanup()


def _key_of(request: web.Request) -> str:
    return request.headers.get("authorization", "").removeprefix("Bearer ")


def _refusal() -> web.Response:
    error = {"message": "Incorrect API key provided.", "type": "invalid_request_error", "code": "invalid_api_key"}
    return web.json_response({"error": error}, status=401)
