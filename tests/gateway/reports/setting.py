"""The setting of most reports: one gateway before an upstream that plays a script."""

import contextlib
from collections.abc import AsyncIterator, Mapping
from typing import Any

from tests.faults.upstream import ScriptedUpstream, ScriptFor, running_upstream
from tests.gateway.sdk_reading import Read, read_chat, read_response
from tests.gateway.stream_shapes import Shape
from tests.harness import Gateway, World

Json = dict[str, Any]


def provider_at(upstream: ScriptedUpstream, place: str, kind: str = "openai_compatible") -> Json:
    """Return the configuration of a provider at `place` of the upstream; the default kind has no Responses API."""
    credentials = [{"name": place, "api_key": f"sk-local-{place}-made-up-key"}]
    return {"kind": kind, "base_url": f"{upstream.root}/{place}/v1", "credentials": credentials}


@contextlib.asynccontextmanager
async def before(
    world: World, play: ScriptFor, *, targets: tuple[str, ...] = (), kind: str = "openai_compatible", **sections: Any
) -> AsyncIterator[tuple[Gateway, ScriptedUpstream]]:
    """Run a gateway before the upstream; the model `m` goes to these targets in turn, each a provider of its own.

    Without `targets` all models go to OpenAI's provider.
    """
    async with running_upstream(play) as upstream:
        mine: Json = {"upstream": {"base_url": f"{upstream.root}/first/v1", **sections.pop("upstream", {})}}
        if targets:
            mine["providers"] = {name: provider_at(upstream, name, kind) for name in targets}
            mine["routes"] = {"m": {"targets": [{"provider": name, "model": "m"} for name in targets]}}
        async with world.gateway(**mine, **sections) as gateway:
            yield gateway, upstream


@contextlib.asynccontextmanager
async def before_chat(world: World, shapes: Mapping[str, Shape]) -> AsyncIterator[tuple[Gateway, ScriptedUpstream]]:
    """Run a gateway before an upstream that answers a model with the shape of its name, whole or streamed.

    `over.NAME` is the same model at a provider without the Responses API.
    """
    async with running_upstream(lambda request: shapes[request.model.rpartition(".")[2]].play(request)) as upstream:
        routes = {f"over.{name}": {"targets": [{"provider": "chat", "model": f"over.{name}"}]} for name in shapes}
        async with world.gateway(
            upstream={"base_url": f"{upstream.root}/first/v1"},
            providers={"chat": provider_at(upstream, "chat")},
            routes=routes,
            retries={"max_retries": 0},
        ) as gateway:
            yield gateway, upstream


async def expect_shape(gateway: Gateway, name: str, shape: Shape) -> None:
    """Read the model's answer with the SDK, streamed and whole, as chat and as a Response, and compare it."""
    async with gateway.sdk() as client:
        for stream in (True, False):
            chat = await read_chat(client, name, stream=stream)
            response = await read_response(client, f"over.{name}", stream=stream)
            if shape.error is not None:
                assert chat.error == response.error == shape.error
                continue
            assert chat == Read(shape.text, shape.calls, shape.reason)
            assert response == Read(shape.text, shape.calls, shape.status)
