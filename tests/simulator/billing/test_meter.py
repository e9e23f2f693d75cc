"""A call is charged for its input and its written output, whether or not they arrived."""

from typing import Any

import msgspec
import pytest

from tests.simulator.client import CHAT, IDENTITY, RESPONSES, SCHEMA, upstream
from tidegate.simulator.answers import chat, responses
from tidegate.simulator.answers.reply import SimulatedReply, TokenKinds
from tidegate.simulator.billing.meter import Meter
from tidegate.simulator.billing.tariff import NO_TOKENS, TokenUsage

TOOLS = [{"type": "function", "function": {"name": "tides", "parameters": SCHEMA}}]
CHATS: dict[str, dict[str, Any]] = {
    "plain": {},
    "several choices": {"n": 3},
    "a tool": {"tools": TOOLS},
    "reasoning": {"model": "o4-mini"},
    "sound": {"modalities": ["text", "audio"], "audio": {"voice": "alloy", "format": "pcm16"}},
}


def asked(**more: Any) -> tuple[Meter, SimulatedReply]:
    body = {**CHAT, "stream": True, **more}
    reply = chat.reply(body, chat.generation_request(body, None), IDENTITY)
    return Meter(body["model"], reply), reply


def test_nothing_is_charged_before_it_is_read() -> None:
    meter, reply = asked()
    assert meter.usage() == NO_TOKENS
    meter.count_input()
    assert meter.usage() == TokenUsage(input=reply.input_tokens)
    meter.clear_input()
    assert meter.usage() == NO_TOKENS


@pytest.mark.parametrize("more", CHATS.values(), ids=CHATS)
def test_a_whole_stream_is_charged_in_full(more: dict[str, Any]) -> None:
    meter, reply = asked(**more)
    meter.count_input()
    for event in reply.events or ():
        meter.count_event(event)
    if "modalities" not in more:  # audio has no text to count
        assert meter.usage() == TokenUsage(input=reply.input_tokens, output=reply.output_tokens)
    meter.count_share()
    sound = reply.output_tokens if "modalities" in more else 0
    assert meter.usage() == TokenUsage(input=reply.input_tokens, output=reply.output_tokens, output_audio=sound)


TOOL_USES = {"web_search": 2, "code_interpreter": 2, "image_generation": 1}


def test_the_items_of_a_stream_are_billed_as_they_are_written() -> None:
    body = {**RESPONSES, "stream": True, "tools": [{"type": "web_search"}]}
    identity = msgspec.structs.replace(IDENTITY, tools=TOOL_USES, kinds=TokenKinds(cache_write=9))
    reply = responses.reply(body, responses.generation_request(body, None), identity)
    meter = Meter(body["model"], reply)
    meter.count_input()
    bills = []
    for event in reply.events or ():
        meter.count_event(event)
        bills.append(meter.usage().fees)
    meter.count_share()

    whole = ("web_search", "web_search", "image gpt-image-1 1056", "container 1g")
    assert [len(fees) for fees in dict.fromkeys(bills)] == [0, 1, 2, 3, 4]  # both calls share one container
    assert meter.usage().fees == bills[-1] == whole
    assert meter.usage().cache_write == 9


def test_a_search_model_of_chat_is_billed_for_a_search_with_its_answer() -> None:
    meter, _ = asked(model="gpt-4o-search-preview")
    meter.count_input()
    assert meter.usage().fees == ()
    meter.count_share()
    assert meter.usage().fees == ("web_search_preview",)


def test_half_a_stream_is_charged_for_its_half() -> None:
    meter, reply = asked()
    meter.count_input()
    events = reply.events or []
    for event in events[: len(events) // 2]:
        meter.count_event(event)
    assert 0 < meter.usage().output < reply.output_tokens


def test_a_response_is_charged_for_its_deltas_once() -> None:
    body = {**RESPONSES, "stream": True}
    reply = responses.reply(body, responses.generation_request(body, None), IDENTITY)
    meter = Meter(body["model"], reply)
    meter.count_input()
    for event in reply.events or ():
        meter.count_event(event)
    assert meter.usage() == TokenUsage(input=reply.input_tokens, output=reply.output_tokens)


@pytest.mark.parametrize(
    ("fault", "stream", "reads", "writes"),
    [
        (None, False, True, True),
        (None, True, True, True),
        ("missing_usage", False, True, True),
        ("truncated_clean", True, True, True),
        ("truncated_clean", False, True, True),
        ("error_in_stream", True, True, True),
        ("error_in_stream", False, False, False),
        ("preflight_failure_in_stream", True, False, False),
        ("rate_limited", True, False, False),
        ("server_error", False, False, False),
    ],
)
async def test_what_a_call_is_charged(fault: str | None, stream: bool, reads: bool, writes: bool) -> None:
    async with upstream() as up:
        headers = {"x_simulate_fault": fault} if fault else {}
        async with up.post("/chat/completions", {**CHAT, "stream": stream}, **headers) as answer:
            await answer.read()
        async with up.session.get(f"{up.root}/simulator/bill") as answer:
            (line,) = (await answer.json())["requests"]
    assert (line["input_tokens"] > 0, line["output_tokens"] > 0) == (reads, writes)
    assert line["cost_nanos"] == line["input_tokens"] * 2500 + line["output_tokens"] * 10_000
