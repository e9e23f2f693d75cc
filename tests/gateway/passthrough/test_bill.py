"""The ledger is the simulator's bill, to the nano-dollar, for each kind of operation that has a published price."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from tests.gateway.passthrough.upstream import form
from tests.harness import Gateway, World

Ask = Callable[[Gateway], Awaitable[Any]]


def posts(path: str, **body: Any) -> Ask:
    """Return what posts a JSON body and reads the whole answer."""

    async def ask(gateway: Gateway) -> int:
        async with gateway.open(path, body) as response:
            await response.read()
            return int(response.status)

    return ask


def sends(path: str, filename: str, content: bytes, **fields: str) -> Ask:
    """Return what sends a form with a file behind its fields."""
    name = "file" if filename.endswith("mp3") else "image"
    parts = [(key, value.encode(), None) for key, value in fields.items()]
    body, content_type = form(*parts, (name, content, filename))

    async def ask(gateway: Gateway) -> int:
        return (await gateway.call(path, body, content_type=content_type)).status

    return ask


SOUND = b"ID3" + bytes(50_000)
PICTURE = b"\x89PNG\r\n\x1a\n" + bytes(1000)
CALLS: dict[str, Ask] = {
    "image": posts("/images/generations", prompt="a tide", model="gpt-image-1"),
    "image-stream": posts("/images/generations", prompt="a tide", model="gpt-image-1.5", stream=True),
    "image-hd": posts("/images/generations", prompt="a tide", model="dall-e-3", quality="hd", size="1792x1024"),
    "image-default": posts("/images/generations", prompt="a tide", n=2, size="512x512"),
    "edit": sends("/images/edits", "a.png", PICTURE, model="gpt-image-1", prompt="a moon"),
    "variation": sends("/images/variations", "a.png", PICTURE, n="2", size="256x256"),
    "speech": posts("/audio/speech", model="tts-1-hd", input="High tide ä", voice="alloy"),
    "speech-stream": posts(
        "/audio/speech", model="gpt-4o-mini-tts", input="High tide", voice="alloy", stream_format="sse"
    ),
    "transcript": sends("/audio/transcriptions", "a.mp3", SOUND, model="whisper-1"),
    "transcript-tokens": sends("/audio/transcriptions", "a.mp3", SOUND, model="gpt-4o-mini-transcribe"),
    "transcript-stream": sends("/audio/transcriptions", "a.mp3", SOUND, model="gpt-4o-transcribe", stream="true"),
    "translation": sends("/audio/translations", "a.mp3", SOUND, model="whisper-1", response_format="verbose_json"),
    "completion": posts("/completions", model="gpt-3.5-turbo-instruct", prompt=["one", "two"], n=2),
    "completion-stream": posts("/completions", model="gpt-3.5-turbo-instruct", prompt="one", stream=True),
    "video": posts("/videos", model="sora-2-pro", prompt="a tide", seconds="8", size="1792x1024"),
    "container": posts("/containers", name="tides", memory_limit="4g"),
    "nothing": posts("/images/generations", model="gpt-image-1"),
}


@pytest.mark.parametrize("name", CALLS)
async def test_the_ledger_equals_the_bill(world: World, gateway: Gateway, name: str) -> None:
    before = (await world.stats())["cost_nanos"]
    status = await CALLS[name](gateway)
    [entry] = await world.ledger_entries(1)
    billed = (await world.stats())["cost_nanos"] - before
    assert (entry["cost_nanos"], entry["unpriced"], entry["estimated"]) == (billed, False, False)
    assert (status, billed > 0) == ((400, False) if name == "nothing" else (200, True))


async def test_many_at_once_are_each_billed_once(world: World, gateway: Gateway) -> None:
    calls = [ask for ask in CALLS.values() for _ in range(3)]
    await asyncio.gather(*(ask(gateway) for ask in calls))
    entries = await world.ledger_entries(len(calls))
    assert sum(entry["cost_nanos"] for entry in entries) == (await world.stats())["cost_nanos"]
