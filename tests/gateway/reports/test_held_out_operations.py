"""Reports of 2026 chosen before they were tried, each named after its thread: money of what is no chat."""

from typing import Any

import pytest

from tests.gateway.passthrough.upstream import OperationUpstream, form
from tests.gateway.test_limits import limited
from tests.harness import World, ask

Json = dict[str, Any]

MODEL = "openai/whisper-large-v3-turbo"
TRANSCRIPT: Json = {"text": "High tide is at noon.", "usage": {"type": "duration", "seconds": 90}}
USED: Json = {"type": "tokens", "input_tokens": 14, "output_tokens": 45, "total_tokens": 59}


@pytest.mark.parametrize("usage", [TRANSCRIPT["usage"], USED], ids=["seconds", "tokens"])
@pytest.mark.parametrize("priced", [MODEL, f"openai/{MODEL}", "openai/*"])
async def test_litellm_20228_a_transcript_of_an_own_server_is_charged(world: World, usage: Json, priced: str) -> None:
    """By the second where the server states seconds, and by the token where it states tokens."""
    prices: Json = {
        "tool_prices": {f"{MODEL}:hour": 0.36},
        "prices": {priced: {"input": "1", "output": "10"}},
    }
    answers = {"POST /v1/audio/transcriptions": {**TRANSCRIPT, "usage": usage}}
    body, content_type = form(("model", MODEL.encode(), None), ("file", b"RIFF" * 100, "tide.wav"))
    async with (
        OperationUpstream(answers).serving() as upstream,
        world.gateway(upstream={"base_url": upstream.base_url}, metering=prices) as gateway,
    ):
        answer = await gateway.call("/audio/transcriptions", body, content_type=content_type)
    assert answer.status == 200, answer.text
    (line,) = await world.ledger_entries(1)
    assert not line["unpriced"]
    assert line["cost_nanos"] == (9_000_000 if usage["type"] == "duration" else 14 * 1000 + 45 * 10_000)


PAID: dict[str, Json] = {
    "/chat/completions": ask("Hi"),
    "/responses": {"model": "gpt-4o-mini", "input": "Hi"},
    "/responses/compact": {"model": "gpt-4o-mini", "input": "Hi"},
    "/embeddings": {"model": "text-embedding-3-small", "input": "Hi"},
    "/completions": {"model": "gpt-3.5-turbo-instruct", "prompt": "Hi"},
    "/images/generations": {"model": "gpt-image-1", "prompt": "A tide"},
    "/audio/speech": {"model": "tts-1", "voice": "coral", "input": "High tide"},
    "/videos": {"model": "sora-2", "prompt": "A tide"},
    "/batches": {"input_file_id": "file-1", "endpoint": "/v1/responses", "completion_window": "24h"},
    "/fine_tuning/jobs": {"model": "gpt-4o-mini-2024-07-18", "training_file": "file-1"},
    "/containers": {"name": "mine"},
    "/vector_stores/vs_1/search": {"query": "tide"},
    "/evals/eval_1/runs": {"data_source": {"type": "jsonl"}},
    "/tides": {"model": "gpt-4o-mini", "input": "Hi"},
}  # fmt: skip


@pytest.mark.parametrize("path", PAID)
async def test_bifrost_2873_no_path_leads_past_a_spent_budget(world: World, path: str) -> None:
    key = await limited(world, budget_day=1)
    async with (
        OperationUpstream({f"POST /v1{path}": {"id": "x", "usage": USED}}).serving() as upstream,
        world.gateway(upstream={"base_url": upstream.base_url}, passthrough={"unknown": "allow"}) as gateway,
    ):
        answer = await gateway.call(path, PAID[path], authorization=key)
    assert 400 <= answer.status < 500, answer.text
    assert upstream.received == []
