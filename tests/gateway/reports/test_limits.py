"""Reports about limits and budgets of other gateways, each named after its thread: a caller gets what is promised."""

from typing import Any

import pytest

from tests.faults.scripts import whole as body_of
from tests.faults.upstream import ScriptAction, ScriptFor
from tests.gateway.reports.setting import before
from tests.gateway.test_limits import limited
from tests.harness import EMBEDDINGS, RESPONSES, STREAM, World, ask

Json = dict[str, Any]

LONG = "high tide " * 400


@pytest.mark.parametrize(("path", "body"), [
    ("/embeddings", {**EMBEDDINGS, "input": LONG}),
    ("/responses", {**RESPONSES, "input": LONG, "max_output_tokens": 16}),
    ("/chat/completions", ask(LONG, max_tokens=1)),
])  # fmt: skip
async def test_litellm_27738_tokens_of_every_endpoint_count(world: World, path: str, body: Json) -> None:
    key = await limited(world, tpm=1000)
    async with world.gateway(cache={"enabled": False}) as gateway:
        statuses = [(await gateway.call(path, body, authorization=key)).status for _ in range(3)]
    assert statuses.count(200) == 1


FAILURES: dict[str, ScriptFor] = {
    "refused": lambda request: body_of(request, 400, b'{"error":{"message":"No.","type":"invalid_request_error"}}'),
    "failed": lambda request: body_of(request, 500, b'{"error":{"message":"Oops."}}'),
    "reset": lambda _: [ScriptAction.RESET],
}


@pytest.mark.parametrize("name", FAILURES)
async def test_litellm_40050_what_failed_calls_held_is_given_back(world: World, name: str) -> None:
    key = await limited(world, budget_day=100_000_000)
    prices = {"m": {"input": 1, "output": 1000}}
    retries = {"max_retries": 0}
    async with before(world, FAILURES[name], metering={"prices": prices}, retries=retries) as (gateway, _):
        for number in range(12):
            answer = await gateway.chat({**ask(f"{number}", max_tokens=40), "model": "m"}, authorization=key)
            assert answer.status != 429, answer.text


async def test_litellm_30527_who_closes_after_the_last_event_has_not_left(world: World) -> None:
    async with world.gateway() as gateway:
        for number in range(20):
            async with gateway.open("/chat/completions", {**STREAM, "user": str(number), "seed": number}) as response:
                async for line in response.content:
                    if line == b"data: [DONE]\n":
                        break
                response.close()
    lines = await world.ledger_entries(20)
    assert {line["outcome"] for line in lines} == {"ok"}
