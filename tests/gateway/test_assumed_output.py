"""A budget that one can live with: who states no output limit gets one that the budget can pay, and is told."""

import asyncio
from collections.abc import Callable

import pytest
import uvicorn

from tests.gateway.recording import RecordingUpstream
from tests.gateway.test_budgets import DOLLAR, BudgetView, budgeted, ledger_sum, watching
from tests.gateway.test_limits import WIDE
from tests.harness import Json, World, ask, listening
from tidegate.storage.redis import RedisLink

MODEL = "gpt-5.6-sol"
QUESTIONS, AT_ONCE = 100, 10


@pytest.fixture
async def money(redis_link: RedisLink, redis_prefix: str) -> Callable[[str], BudgetView]:
    return lambda scope: BudgetView(redis_link, redis_prefix, scope)


async def test_a_dollar_a_day_answers_a_hundred_short_questions_ten_at_once(
    world: World, money: Callable[[str], BudgetView]
) -> None:
    key, scope = await budgeted(world, DOLLAR)
    view = money(scope)
    async with world.gateway(upstream=WIDE) as gateway, watching(view):
        numbers = iter(range(QUESTIONS))

        async def ask_on() -> list[int]:
            return [
                (await gateway.chat(ask(f"What is {number} + 1?", model=MODEL), authorization=key)).status
                for number in numbers
            ]

        answered = await asyncio.gather(*(ask_on() for _ in range(AT_ONCE)))
        assert [status for each in answered for status in each] == [200] * QUESTIONS
        spent, held = await view.amounts()
    assert held == 0
    assert 0 < spent == await ledger_sum(world)
    assert view.highest_amount <= DOLLAR


TEXT = {"messages": [{"role": "user", "content": "hello"}]}
SERVER: Json = {"kind": "openai_compatible", "credentials": [{"name": "house", "api_key": "any"}]}
PRICED: Json = {"unknown_model_price": {"input": 10, "output": 40}}
"""A budget refuses models without a price."""


@pytest.mark.parametrize(
    ("path", "body", "sent"),
    [
        ("/chat/completions", {**TEXT, "model": MODEL}, {"max_completion_tokens": 1024}),
        ("/chat/completions", {**TEXT, "model": MODEL, "n": 2}, {"max_completion_tokens": 512}),
        ("/chat/completions", {**TEXT, "model": "gpt-4o-mini"}, {}),  # $0.05 pays all that it can write
        ("/responses", {"input": "hello", "model": MODEL}, {"max_output_tokens": 1024}),
        ("/chat/completions", {**TEXT, "model": "own"}, {"max_tokens": 777}),
        ("/responses", {"input": "hello", "model": "own"}, {"max_tokens": 777}),
        ("/chat/completions", {**TEXT, "model": "gpt-4o-mini", "max_tokens": 5}, {"max_tokens": 5}),
        ("/chat/completions", {**TEXT, "model": MODEL, "max_completion_tokens": 5}, {"max_completion_tokens": 5}),
    ],
)
async def test_the_limit_goes_upstream_under_the_targets_own_name_and_is_told(
    world: World, path: str, body: Json, sent: Json
) -> None:
    key, _ = await budgeted(world, DOLLAR)
    app = RecordingUpstream()
    async with listening(uvicorn.Config(app, log_config=None, access_log=False)) as root:
        base_url = f"{root}/v1"
        providers = {"house": {**SERVER, "base_url": base_url, "endpoints": ["chat"]}}
        routes = {"own": {"targets": [{"provider": "house"}], "assumed_output_tokens": 777}}
        async with world.gateway(
            metering=PRICED, upstream={**WIDE, "base_url": base_url}, providers=providers, routes=routes
        ) as gateway:
            answer = await gateway.call(path, body, authorization=key)
            for_free = await gateway.call(path, body, cache_control="no-cache")
    assert (answer.status, for_free.status) == (200, 200)
    capped, uncapped = [{name: value for name, value in each.items() if "max" in name} for each in app.bodies]
    assert capped == sent
    changes = [f"{name}: set to {tokens}" for name, tokens in sent.items() if name not in body]
    assert [change for change in answer.headers.get("x-tidegate-adapted", "").split(", ") if "set to" in change] == (
        changes
    )
    assert uncapped == {name: value for name, value in body.items() if "max" in name}, "without a budget: as it came"
    assert "set to" not in for_free.headers.get("x-tidegate-adapted", "")


async def test_a_cut_answer_reaches_no_caller_who_has_no_limit(world: World) -> None:
    poor, _ = await budgeted(world, DOLLAR)
    body = ask("Tell me everything.", model=MODEL)
    configured = {"assumed_output_tokens": 16}
    async with world.gateway(upstream=WIDE, budgets=configured) as gateway:
        cut = await gateway.chat(body, authorization=poor, x_simulate_tokens="400")
        whole = await gateway.chat(body, x_simulate_tokens="400")
    assert cut.json["choices"][0]["finish_reason"] == "length"
    assert (whole.headers["x-tidegate-cache"], whole.json["choices"][0]["finish_reason"]) == ("miss", "stop")


@pytest.mark.parametrize(
    ("path", "body", "advice"),
    [
        ("/chat/completions", {**TEXT, "model": MODEL, "max_tokens": 90_000},
         "Ask for less, with `max_completion_tokens`."),
        ("/chat/completions", {**TEXT, "model": "own", "max_tokens": 90_000}, "Ask for less, with `max_tokens`."),
        ("/responses", {"input": "hello", "model": MODEL, "max_output_tokens": 90_000},
         "Ask for less, with `max_output_tokens`."),
        ("/responses", {"input": "hello", "model": "own", "max_output_tokens": 90_000},
         "Ask for less, with `max_output_tokens`."),
        ("/embeddings", {"input": "hello " * 9000, "model": "text-embedding-3-large"}, "Send a shorter input."),
    ],
)  # fmt: skip
async def test_the_message_names_a_parameter_that_the_route_takes(
    world: World, path: str, body: Json, advice: str
) -> None:
    key, _ = await budgeted(world, 1_000_000)
    providers = {"house": {**SERVER, "base_url": "http://127.0.0.1:9/v1", "endpoints": ["chat"]}}
    routes = {"own": {"targets": [{"provider": "house"}]}}
    async with world.gateway(upstream=WIDE, providers=providers, routes=routes, metering=PRICED) as gateway:
        answer = await gateway.call(path, body, authorization=key)
    assert (answer.status, answer.error["code"]) == (429, "budget_exceeded")
    assert answer.error["message"].endswith(f"more than all of it. {advice}")
