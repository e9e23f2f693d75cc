"""Answers come back as they are: streams, sound and files; each is priced, and settled before its last byte."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest
from aiohttp import web

from tests.eventually import wait_until
from tests.gateway.passthrough.upstream import OperationUpstream, Received, form
from tests.harness import Answer, Gateway, World
from tidegate.auth.grants import KeyChange, LimitsChange

MILLI = 1_000_000
IMAGE_EVENTS = (
    b'event: image_generation.partial_image\ndata: {"type":"image_generation.partial_image","b64_json":"aa"}\n\n'
    b'event: image_generation.completed\ndata: {"type":"image_generation.completed","b64_json":"bb","usage":'
    b'{"input_tokens":10,"output_tokens":272,"total_tokens":282,"input_tokens_details":{"text_tokens":10}}}\n\n'
)
COMPLETION_EVENTS = (
    b'data: {"id":"cmpl-1","choices":[{"text":"High","index":0}],"usage":null}\n\n'
    b'data: {"id":"cmpl-1","choices":[],"usage":{"prompt_tokens":1000,"completion_tokens":500,"total_tokens":1500}}\n\n'
    b"data: [DONE]\n\n"
)
SOUND = bytes(range(256)) * 2000


def stream(data: bytes, content_type: str = "text/event-stream", *, cut: bool = False) -> Any:
    async def answer(_: Received, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"content-type": content_type})
        if cut:
            response.content_length = 2 * len(data)
        await response.prepare(request)
        for begin in range(0, len(data), 60_000):
            await response.write(data[begin : begin + 60_000])
        if cut and request.transport is not None:
            await asyncio.sleep(0.05)
            request.transport.close()
        return response

    return answer


@pytest.fixture
async def upstream() -> AsyncIterator[OperationUpstream]:
    answers: dict[str, object] = {
        "POST /v1/images/generations": stream(IMAGE_EVENTS),
        "POST /v1/completions": stream(COMPLETION_EVENTS),
        "POST /v1/audio/speech": stream(SOUND, "audio/mpeg"),
        "POST /v1/audio/transcriptions": {"text": "x", "usage": {"type": "duration", "seconds": 60}},
        "POST /v1/batches": {"id": "batch_1", "object": "batch"},
        "POST /v1/videos": {"id": "video_1", "model": "sora-2", "seconds": "4", "size": "720x1280"},
        "GET /v1/files/file-1/content": stream(SOUND, "application/octet-stream", cut=True),
    }
    async with OperationUpstream(answers).serving() as upstream:
        yield upstream


@pytest.fixture
async def gateway(world: World, upstream: OperationUpstream) -> AsyncIterator[Gateway]:
    async with world.gateway(upstream={"base_url": upstream.base_url}, passthrough={"unrecorded": "allow"}) as gateway:
        yield gateway


async def limited(world: World, **limits: int) -> str:
    """Return the header of a key with these limits."""
    key = await world.keys.create(project="shop", name="limited", grants=KeyChange(limits=LimitsChange(**limits)))
    return f"Bearer {key.token}"


async def test_a_stream_of_images_is_priced_by_its_last_event(world: World, gateway: Gateway) -> None:
    answer = await gateway.call("/images/generations", {"model": "gpt-image-1", "prompt": "x", "stream": True})
    assert answer.text.encode() == IMAGE_EVENTS
    assert answer.headers["content-type"].startswith("text/event-stream")
    [entry] = await world.ledger_entries(1)
    assert (entry["route"], entry["model"], entry["stream"]) == ("images.generate", "gpt-image-1", True)
    assert (entry["input_tokens"], entry["output_tokens"]) == (10, 272)
    assert (entry["cost_nanos"], entry["estimated"]) == (10 * 5_000 + 272 * 40_000, False)


async def test_the_usage_of_a_completion_is_requested_for_the_ledger_only(
    world: World, gateway: Gateway, upstream: OperationUpstream
) -> None:
    body = {"model": "gpt-3.5-turbo-instruct", "prompt": "x", "stream": True, "new": 1.50}
    answer = await gateway.call("/completions", body)
    assert "prompt_tokens" not in answer.text
    assert [event["choices"][0]["text"] for event in answer.events] == ["High"]
    assert answer.text.endswith("data: [DONE]\n\n")
    assert msgspec.json.decode(upstream.received[0].body) == {**body, "stream_options": {"include_usage": True}}
    asked = {**body, "stream_options": {"include_usage": True}}
    assert (await gateway.call("/completions", asked)).text.encode() == COMPLETION_EVENTS
    entries = await world.ledger_entries(2)
    assert [entry["cost_nanos"] for entry in entries] == [2_500_000, 2_500_000]


async def test_sound_comes_as_bytes_and_costs_by_the_character(world: World, gateway: Gateway) -> None:
    async with gateway.open("/audio/speech", {"model": "tts-1", "input": "a" * 1000, "voice": "coral"}) as response:
        assert (await response.read(), response.headers["content-type"]) == (SOUND, "audio/mpeg")
    [entry] = await world.ledger_entries(1)
    assert (entry["cost_nanos"], entry["fee_nanos"], entry["unpriced"]) == (15 * MILLI, 15 * MILLI, False)


async def test_a_transcript_costs_by_the_minute_and_its_cost_is_said(world: World, gateway: Gateway) -> None:
    body, content_type = form(("file", bytes(100_000), "a.mp3"), ("model", b"whisper-1", None), ("user", b"u-1", None))
    answer = await gateway.call("/audio/transcriptions", body, content_type=content_type)
    assert answer.headers["x-tidegate-cost-usd"] == "0.006000000"
    [entry] = await world.ledger_entries(1)
    assert (entry["model"], entry["cost_nanos"]) == ("whisper-1", 6 * MILLI)


async def test_a_file_that_breaks_off_is_no_whole_file(world: World, gateway: Gateway) -> None:
    with pytest.raises(Exception, match=r"(?i)payload|connection|transfer"):
        await gateway.call("/files/file-1/content")
    [entry] = await world.ledger_entries(1)
    assert (entry["route"], entry["outcome"]) == ("files.content", "truncated_answer")


async def ask_transcript(gateway: Gateway, key: str, *, seconds: int) -> Answer:
    body, content_type = form(("file", bytes(750 * seconds - 300), "a.mp3"), ("model", b"whisper-1", None))
    return await gateway.call("/audio/transcriptions", body, content_type=content_type, authorization=key)


async def test_a_budget_holds_the_most_and_is_charged_what_it_was(
    world: World, gateway: Gateway, upstream: OperationUpstream
) -> None:
    key = await limited(world, budget_day=10 * MILLI)
    answer = await ask_transcript(gateway, key, seconds=120)  # it may cost 12 thousandths
    assert (answer.status, answer.error["code"]) == (429, "budget_exceeded")
    assert upstream.begun == 0
    assert (await ask_transcript(gateway, key, seconds=60)).status == 200
    assert (await ask_transcript(gateway, key, seconds=60)).status == 429
    free = await gateway.call("/batches/batch_1/cancel", b"", method="POST", authorization=key)
    assert free.status == 404  # it was sent: it costs nothing


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/vector_stores", {"name": "tides"}),
        ("/images/generations", {"model": "dall-e-9", "prompt": "x"}),
        ("/fine_tuning/alpha/graders/run", {}),
    ],
)
async def test_what_has_no_known_price_is_refused_under_a_budget(
    world: World, gateway: Gateway, upstream: OperationUpstream, path: str, body: Any
) -> None:
    answer = await gateway.call(path, body, authorization=await limited(world, budget_month=1000 * MILLI))
    assert (answer.status, answer.headers["x-tidegate-error"]) == (400, "price_unknown")
    assert upstream.begun == 0


async def test_without_a_budget_it_is_sent_and_marked(world: World, gateway: Gateway) -> None:
    assert (await gateway.call("/batches", {"input_file_id": "file-1"})).status == 200
    [entry] = await world.ledger_entries(1)
    assert (entry["unpriced"], entry["cost_nanos"]) == (True, 0)


async def test_calls_in_flight_are_limited(world: World, gateway: Gateway, upstream: OperationUpstream) -> None:
    gate = asyncio.Event()

    async def waits(_: Received, __: web.Request) -> web.StreamResponse:
        await gate.wait()
        return web.json_response({"object": "list", "data": []})

    upstream.answers["GET /v1/batches/batch_1"] = waits
    key = await limited(world, concurrency=1)
    first = asyncio.create_task(gateway.call("/batches/batch_1", authorization=key))
    await wait_until(lambda: upstream.begun == 1)
    assert (await gateway.call("/batches/batch_1", authorization=key)).status == 429
    gate.set()
    assert (await first).status == 200
    assert (await gateway.call("/batches/batch_1", authorization=key)).status == 200


async def test_a_video_is_charged_when_it_is_ordered(world: World, gateway: Gateway) -> None:
    answer = await gateway.call("/videos", {"prompt": "x", "model": "sora-2"})
    assert answer.headers["x-tidegate-cost-usd"] == "0.400000000"
    [entry] = await world.ledger_entries(1)
    assert (entry["served_model"], entry["cost_nanos"]) == ("sora-2", 400 * MILLI)
