"""While OpenAI is down, the configuration of docs/guides/other-companies.md has each company answer its SDK."""

import tomllib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from tests.gateway.companies import Company
from tests.harness import Gateway, World
from tidegate.simulator import running

GUIDE = Path(__file__).parents[2] / "docs/guides/other-companies.md"
EVERYTHING: dict[str, Any] = {
    "temperature": 0.5, "top_p": 0.9, "max_completion_tokens": 200, "seed": 7, "stop": ["END"], "user": "anna",
    "frequency_penalty": 0.1, "presence_penalty": 0.1, "logit_bias": {"1": 1}, "parallel_tool_calls": True,
    "metadata": {"a": "b"}, "service_tier": "auto", "store": False, "prompt_cache_key": "k", "safety_identifier": "s",
    "tools": [{"type": "function", "function": {"name": "tide_at", "parameters": {"type": "object"}}}],
}  # fmt: skip
ASK: Any = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "When is high tide?"}]}

ANEW = {"cache-control": "no-store"}


class Tide(BaseModel):
    """The form of a structured answer."""

    place: str
    height: float


def configuration() -> dict[str, Any]:
    blocks = GUIDE.read_text().split("```toml\n")[1:]
    return tomllib.loads("\n".join(block.partition("```")[0] for block in blocks))


@pytest.fixture(params=["anthropic", "google", "mistral"])
async def company(request: pytest.FixtureRequest) -> AsyncIterator[Company]:
    async with running() as simulator, Company(str(request.param), simulator).serving() as company:
        yield company


@pytest.fixture
async def gateway(world: World, company: Company) -> AsyncIterator[Gateway]:
    """A gateway with this company below an OpenAI that is down."""
    guide = configuration()
    provider = guide["providers"][company.name]
    provider |= {"base_url": company.address, "credentials": [{"name": "main", "api_key": "sk-the-companys-own-key-1"}]}
    (route,) = guide["routes"].values()
    targets = [target for target in route["targets"] if target["provider"] in ("openai", company.name)]
    await world.set_faults(overloaded=1.0)
    async with world.gateway(
        providers={company.name: provider},
        routes={"gpt-4o-mini": {"targets": targets}},
        metering={"prices": guide["metering"]["prices"]},
        retries={"max_retries": 0},
    ) as gateway:
        yield gateway


async def test_a_chat_with_everything_is_answered_and_what_is_left_out_is_told(
    gateway: Gateway, company: Company, world: World
) -> None:
    async with gateway.sdk() as client:
        whole = await client.chat.completions.with_raw_response.create(**ASK, **EVERYTHING)
        stream = await client.chat.completions.create(**ASK, **EVERYTHING, stream=True, extra_headers=ANEW)
        pieces = [chunk async for chunk in stream]
    completion = whole.parse()
    assert completion.choices[0].message.content or completion.choices[0].message.tool_calls
    assert any(chunk.choices for chunk in pieces)
    assert whole.headers["x-tidegate-served-by"].startswith(f"{company.name}/")
    assert "logit_bias: dropped" in whole.headers["x-tidegate-adapted"]
    assert company.keys == {"Bearer sk-the-companys-own-key-1"}
    for line in await world.ledger_entries(2):
        assert (line["outcome"], line["provider"], line["unpriced"]) == ("ok", company.name, False)
        assert line["cost_nanos"] > 0


async def test_a_response_is_answered_whole_and_streamed_with_a_tool(gateway: Gateway) -> None:
    tool: Any = {"type": "function", "name": "tide_at", "parameters": {"type": "object"}, "strict": False}
    async with gateway.sdk() as client:
        whole = await client.responses.create(model="gpt-4o-mini", input="When?", store=False)
        async with client.responses.stream(
            model="gpt-4o-mini", input="When?", store=False, tools=[tool], tool_choice="required"
        ) as stream:
            types = [event.type async for event in stream]
            called = await stream.get_final_response()
    assert whole.output_text
    assert types[-1] == "response.completed"
    assert called.output[0].type == "function_call"


async def test_structured_output_is_given_or_refused_in_words(gateway: Gateway, company: Company) -> None:
    messages: Any = ASK["messages"]
    async with gateway.sdk() as client:
        if company.name == "anthropic":
            answer = await gateway.chat({**ASK, "response_format": {"type": "json_object"}})
            assert answer.status >= 400
            assert company.received == []
            return
        parsed = await client.chat.completions.parse(model="gpt-4o-mini", messages=messages, response_format=Tide)
        responded = await client.responses.parse(model="gpt-4o-mini", input="When?", store=False, text_format=Tide)
    assert isinstance(parsed.choices[0].message.parsed, Tide)
    assert isinstance(responded.output_parsed, Tide)
