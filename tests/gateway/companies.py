"""Stand-ins of other companies' OpenAI-compatible endpoints: each takes the parameters that it publishes, and no other.

Anthropic ignores what it does not know, and answers as if it had not been sent; so its stand-in refuses what it would
ignore, and shows that none of it arrives.
"""

import contextlib
from collections.abc import AsyncIterator, Mapping
from typing import Any

import aiohttp
import msgspec
from aiohttp import web

_COMMON = {"model", "messages", "max_tokens", "temperature", "top_p", "stream", "stop", "tools", "tool_choice"}
TAKEN: Mapping[str, set[str]] = {
    "anthropic": {*_COMMON, "max_completion_tokens", "stream_options", "parallel_tool_calls"},
    "google": {*_COMMON, "max_completion_tokens", "stream_options", "n", "response_format", "reasoning_effort"},
    "mistral": {
        *_COMMON, "random_seed", "n", "response_format", "presence_penalty", "frequency_penalty", "prediction",
        "parallel_tool_calls", "prompt_mode", "safe_prompt",
    },
}  # fmt: skip
"""The parameters of each company's chat completions."""
REFUSALS: Mapping[str, tuple[int, str]] = {
    "anthropic": (400, "invalid_request_error"),
    "google": (400, "INVALID_ARGUMENT"),
    "mistral": (422, "extra_forbidden"),
}


class Company:
    """One company's endpoint, answered by the simulator behind it."""

    def __init__(self, name: str, simulator: str) -> None:
        self.name = name
        self._simulator = simulator
        self.received: list[dict[str, Any]] = []
        self.keys: set[str] = set()
        self.address = ""

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Refuse what the company does not take, and answer the rest."""
        body = msgspec.json.decode(await request.read())
        self.keys.add(request.headers["authorization"])
        self.received.append(body)
        if unknown := sorted(body.keys() - TAKEN[self.name]):
            status, kind = REFUSALS[self.name]
            return web.json_response({"error": {"message": f"Unknown: {unknown}", "type": kind}}, status=status)
        if body.get("stream") and self.name == "mistral":  # it states its usage without being asked
            body["stream_options"] = {"include_usage": True}
        body["seed"] = body.pop("random_seed", None)
        sent = {**{name: value for name, value in body.items() if value is not None}, "model": "gpt-4o-mini"}
        headers = {"authorization": "Bearer sk-of-the-company"}
        async with (
            aiohttp.ClientSession() as http,
            http.post(f"{self._simulator}/chat/completions", json=sent, headers=headers) as response,
        ):
            return web.Response(body=await response.read(), status=response.status, content_type=response.content_type)

    @contextlib.asynccontextmanager
    async def serving(self) -> AsyncIterator["Company"]:
        app = web.Application()
        app.router.add_post("/chat/completions", self.answer)
        runner = web.AppRunner(app)
        await runner.setup()
        try:
            site = web.TCPSite(runner, "127.0.0.1", 0)
            await site.start()
            self.address = f"http://127.0.0.1:{runner.addresses[0][1]}"
            yield self
        finally:
            await runner.cleanup()
