"""Answers in the shapes that providers really send: what callers read, and what becomes of answer, target and bill."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.faults.upstream import ReceivedRequest, Script, ScriptedUpstream, running_upstream
from tests.gateway import response_shapes, stream_shapes
from tests.gateway.sdk_reading import Read, calls_in, read_chat, read_response
from tests.gateway.stream_shapes import Charged, Shape
from tests.harness import Gateway, Json, World

pytestmark = pytest.mark.long

PAGE = Path(__file__).parents[2] / "docs/reference/stream-shapes.md"


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What was seen of one shape."""

    first: Read
    second: Read
    """The same question again, in the other form."""
    stored: bool
    outcome: str
    blamed: bool
    charged: Charged


class Way(msgspec.Struct, frozen=True, kw_only=True):
    """How a shape is asked for: the endpoint, the provider, and whether first as a stream or whole."""

    name: str
    """The prefix of the models' names."""
    shapes: dict[str, Shape]
    is_response: bool = False
    only_chat: bool = False
    """Whether the provider only has chat."""

    def end(self, shape: Shape) -> str | None:
        """Return why the answer ends, as the SDK reads it."""
        return shape.status if self.only_chat else shape.reason


CHAT, RESPONSES = stream_shapes.SHAPES, response_shapes.SHAPES
WAYS = {
    "chat": Way(name="chat", shapes=CHAT),
    "responses": Way(name="responses", shapes=RESPONSES, is_response=True),
    "over_chat": Way(name="over_chat", shapes=CHAT, is_response=True, only_chat=True),
}


def play(request: ReceivedRequest) -> Script:
    way, _, name = request.model.split(".")
    return WAYS[way].shapes[name].play(request)


@contextlib.asynccontextmanager
async def shaped(world: World) -> AsyncIterator[tuple[Gateway, ScriptedUpstream]]:
    """Run a gateway before an upstream that answers each model in the shape of its name.

    One failure opens a target's breaker, and nothing is tried again.
    """
    async with running_upstream(play) as upstream:
        credentials = [{"name": "own", "api_key": "sk-local-made-up-key"}]
        chat_only = {"kind": "openai_compatible", "base_url": f"{upstream.root}/chat/v1", "credentials": credentials}
        names = [f"over_chat.{form}.{name}" for form in ("stream", "whole") for name in CHAT]
        routes = {name: {"targets": [{"provider": "chat_only", "model": name}]} for name in names}
        async with world.gateway(
            upstream={"base_url": f"{upstream.root}/first/v1"},
            providers={"chat_only": chat_only},
            routes=routes,
            retries={"max_retries": 0},
            breaker={"failure_threshold": 1},
        ) as gateway:
            yield gateway, upstream


async def seen(gateway: Gateway, upstream: ScriptedUpstream, way: Way, model: str, *, stream: bool) -> Json:
    """Ask twice, first in this form and then in the other, and return the verdict's parts but those of the ledger."""
    read = read_response if way.is_response else read_chat
    async with gateway.sdk() as client:
        first = await read(client, model, stream=stream)
        targets = (await gateway.call("/health/upstream")).json["targets"]
        blamed = any(target.endswith(f"/{model}") and state != "closed" for target, state in targets.items())
        second = first if blamed or first.error else await read(client, model, stream=not stream)
    return {
        "first": first,
        "second": second,
        "stored": second is not first and upstream.calls[model] == 1,
        "blamed": blamed,
    }


def wanted(shape: Shape, way: Way, *, stream: bool) -> Verdict:
    """Return the verdict that the table states."""
    if shape.error is not None:
        first = second = Read(text=shape.text if stream else "", error=shape.error)
    else:
        first = second = Read(shape.text, shape.calls, way.end(shape))
    return Verdict(
        first=first,
        second=second,
        stored=shape.stored,
        outcome=shape.outcome,
        blamed=shape.blamed,
        charged=shape.charged,
    )


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("name", WAYS)
async def test_each_shape_is_what_the_table_says(world: World, name: str, stream: bool) -> None:
    way = WAYS[name]
    models = {f"{name}.{'stream' if stream else 'whole'}.{shape}": shape for shape in way.shapes}
    async with shaped(world) as (gateway, upstream):
        at_once = asyncio.Semaphore(8)

        async def one(model: str) -> Json:
            async with at_once:
                return await seen(gateway, upstream, way, model, stream=stream)

        parts = dict(zip(models, await asyncio.gather(*map(one, models)), strict=True))
        count = sum(1 if part["second"] is part["first"] else 2 for part in parts.values())
        lines = {line["model"]: line for line in reversed(await world.ledger_entries(count)) if line["cache"] != "hit"}
    found = {models[model]: Verdict(**part, **_of_ledger(lines[model])) for model, part in parts.items()}
    table = {shape: wanted(way.shapes[shape], way, stream=stream) for shape in way.shapes}
    assert {shape: verdict for shape, verdict in found.items() if verdict != table[shape]} == {}


@pytest.mark.parametrize("name", ["calls_all_index_0_in_pieces", "later_name_empty", "id_and_name_repeated"])
async def test_a_stored_completion_and_a_stored_response_have_the_right_calls(world: World, name: str) -> None:
    async with shaped(world) as (gateway, _), gateway.sdk() as client:
        messages: Any = [{"role": "user", "content": "Hello"}]
        asked: Any = {"model": f"chat.stream.{name}", "messages": messages, "store": True, "stream": True}
        chunks = [chunk async for chunk in await client.chat.completions.create(**asked)]
        completion = await client.chat.completions.retrieve(chunks[0].id)
        stream: Any = await client.responses.create(model=f"over_chat.stream.{name}", input="Hello", stream=True)
        created, *_ = [event async for event in stream]
        response = await client.responses.retrieve(created.response.id)
    calls: Any = completion.choices[0].message.tool_calls
    assert tuple((call.id, call.function.name, call.function.arguments) for call in calls) == CHAT[name].calls
    assert calls_in(response) == CHAT[name].calls


@pytest.mark.parametrize(("heading", "shapes"), [("Chat completions", CHAT), ("Responses", RESPONSES)])
def test_the_page_shows_the_same_table(heading: str, shapes: dict[str, Shape]) -> None:
    section = PAGE.read_text().partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    rows = [line for line in section.splitlines() if line.startswith("| ")]
    assert rows[1:] == [shape.row() for shape in shapes.values()]


def _of_ledger(line: Json) -> Json:
    charged = Charged.ESTIMATED if line["estimated"] else Charged.STATED if line["input_tokens"] else Charged.NOTHING
    return {"outcome": line["outcome"], "charged": charged}
