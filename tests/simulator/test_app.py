"""The official SDK, over a socket, gets the same from the simulator as from OpenAI."""

from typing import Any

import msgspec
import openai
import pytest
from openai.types.chat import ChatCompletion
from openai.types.responses import Response
from pydantic import BaseModel

from tests.simulator.client import CHAT, RESPONSES, SCHEMA, upstream
from tidegate.core.clock import ManualClock
from tidegate.simulator import Options, create_app


async def test_a_chat_is_the_same_streamed_and_whole() -> None:
    async with upstream() as up, up.sdk() as client:
        whole = await client.chat.completions.create(**CHAT)
        stream: Any = await client.chat.completions.create(**CHAT, stream=True)
        streamed = "".join([chunk.choices[0].delta.content or "" async for chunk in stream])
    assert whole.choices[0].message.content == streamed
    assert "high tide" in streamed


async def test_a_response_is_the_same_streamed_and_whole() -> None:
    async with upstream() as up, up.sdk() as client:
        whole: Response = await client.responses.create(**RESPONSES)
        stream: Any = await client.responses.create(**RESPONSES, stream=True)
        events = [event async for event in stream]
    assert events[-1].type == "response.completed"
    assert events[-1].response.output_text == whole.output_text != ""


async def test_the_sdk_parses_a_structured_answer() -> None:
    class Tides(BaseModel):
        place: str
        hours: list[int]

    async with upstream() as up, up.sdk() as client:
        chat = await client.chat.completions.parse(**CHAT, response_format=Tides)
        response = await client.responses.parse(**RESPONSES, text_format=Tides)
    assert isinstance(chat.choices[0].message.parsed, Tides)
    assert isinstance(response.output_parsed, Tides)


async def test_a_tool_is_called_once_and_then_answered_about() -> None:
    tool: Any = {"type": "function", "function": {"name": "tides", "parameters": SCHEMA}}
    async with upstream() as up, up.sdk() as client:
        first: ChatCompletion = await client.chat.completions.create(**CHAT, tools=[tool])
        call = first.choices[0].message
        assert call.tool_calls
        result = {"role": "tool", "tool_call_id": call.tool_calls[0].id, "content": "12:00"}
        messages: Any = [*CHAT["messages"], call.model_dump(exclude_none=True), result]
        then: ChatCompletion = await client.chat.completions.create(**{**CHAT, "messages": messages}, tools=[tool])
    assert first.choices[0].finish_reason == "tool_calls"
    assert then.choices[0].finish_reason == "stop"
    assert then.choices[0].message.content


async def test_the_smaller_routes_answer_too() -> None:
    async with upstream() as up, up.sdk() as client:
        embedding = await client.embeddings.create(model="text-embedding-3-small", input=["tide", "moon"])
        moderation = await client.moderations.create(input="I hate Mondays")
        names = [model.id async for model in client.models.list()]
        model = await client.models.retrieve("gpt-4o")
    assert [len(one.embedding) for one in embedding.data] == [1536, 1536]
    assert moderation.results[0].categories.hate
    assert model.id in names


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/audio/tides", 404, "unknown_url"),
        ("DELETE", "/models", 404, "unknown_url"),
        ("DELETE", "/models/gpt-4o", 403, "insufficient_permissions"),
        ("GET", "/models/gpt-9", 404, "model_not_found"),
        ("GET", "/embeddings", 405, "method_not_supported"),
    ],
)
async def test_what_is_not_there_is_refused_in_the_envelope(method: str, path: str, status: int, code: str) -> None:
    async with upstream() as up, up.session.request(method, up.base_url + path) as answer:
        error = (await answer.json())["error"]
    assert (answer.status, error["code"]) == (status, code)
    assert set(error) == {"message", "type", "param", "code"}


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/chat/completions", []),
        ("/chat/completions", {"messages": [{"role": "user", "content": "x"}]}),
        ("/chat/completions", {"model": "gpt-4o"}),
        ("/chat/completions", {**CHAT, "n": 0}),
        ("/chat/completions", {**CHAT, "tools": [{"type": "function"}]}),
        ("/chat/completions", {**CHAT, "tools": 7}),
        ("/chat/completions", {**CHAT, "messages": [{"role": "user", "content": [7]}]}),
        ("/responses", {"model": "gpt-4o"}),
        ("/embeddings", {"model": "e", "input": []}),
        ("/moderations", {"input": None}),
    ],
)
async def test_what_cannot_be_understood_is_refused_in_the_envelope(path: str, body: Any) -> None:
    async with upstream() as up, up.post(path, body) as answer:
        error = (await answer.json())["error"]
    assert (answer.status, error["type"]) == (400, "invalid_request_error")


async def test_what_openai_refuses_is_answered_where_that_is_asked_for() -> None:
    body = {**CHAT, "a_field_of_tomorrow": 1}
    lenient = {"x_simulate_strict": "false"}
    async with upstream() as up:
        for headers, status in (({}, 400), (lenient, 200), ({"x_simulate_strict": "maybe"}, 400)):
            async with up.post("/chat/completions", body, **headers) as answer:
                assert answer.status == status
    async with upstream(strict=False) as up, up.post("/chat/completions", body) as answer:
        assert answer.status == 200


async def test_an_answer_repeats_what_the_prompt_says() -> None:
    number = {"type": "object", "properties": {"input": {"type": "integer"}}, "required": ["input"]}
    tools: Any = [
        {"type": "function", "function": {"name": "double", "parameters": number}},
        {"type": "function", "function": {"name": "magic_function", "parameters": number}},
    ]
    said: Any = [
        {"role": "user", "content": "Hi, my name is Bob"},
        {"role": "assistant", "content": "Hello Bob"},
        {"role": "user", "content": "What is my name?"},
    ]
    magic: Any = [{"role": "user", "content": "What is magic_function(3)?"}]
    joke: Any = [{"role": "user", "content": "A joke as JSON with 'setup' and 'punchline' keys."}]
    async with upstream() as up, up.sdk() as client:
        named = await client.chat.completions.create(model="gpt-4o", messages=said)
        called = await client.chat.completions.create(model="gpt-4o", messages=magic, tools=tools)
        made = await client.chat.completions.create(
            model="gpt-4o", messages=joke, response_format={"type": "json_object"}
        )
        response = await client.responses.create(model="gpt-4o", input=said)
    assert "Bob" in (named.choices[0].message.content or "")
    assert response.output_text.startswith("Your name is Bob.")
    (call,) = called.choices[0].message.tool_calls or []
    assert call.type == "function"
    assert (call.function.name, call.function.arguments) == ("magic_function", '{"input":3}')
    assert set(msgspec.json.decode(made.choices[0].message.content or "")) == {"setup", "punchline"}


async def test_a_key_is_needed_and_may_be_a_certain_one() -> None:
    async with upstream(api_key="sk-the-right-one") as up:
        async with up.sdk(api_key="sk-the-right-one") as client:
            await client.models.list()
        async with up.sdk(api_key="sk-quite-another-one") as client:
            with pytest.raises(openai.AuthenticationError, match=r"Incorrect API key provided: sk-quite\*+-one") as no:
                await client.models.list()
    assert no.value.code == "invalid_api_key"


async def test_every_answer_says_who_it_is_and_how_much_is_left() -> None:
    async with upstream() as up, up.post("/chat/completions", CHAT) as answer:
        body = await answer.json()
    assert answer.headers["x-request-id"].removeprefix("req_") == body["id"].removeprefix("chatcmpl-")
    assert answer.headers["openai-version"] == "2020-10-01"
    assert int(answer.headers["x-ratelimit-remaining-requests"]) > 0


async def test_the_same_question_has_the_same_answer_but_not_the_same_identity() -> None:
    async with upstream() as up, up.sdk() as client:
        one = await client.chat.completions.create(**CHAT)
        same = await client.chat.completions.create(**CHAT, user="somebody", metadata={"a": "b"}, store=True)
        other = await client.chat.completions.create(**{**CHAT, "model": "gpt-4.1"})
    assert one.choices == same.choices
    assert one.id != same.id
    assert one.choices[0].message.content != other.choices[0].message.content


async def test_a_long_question_is_cheaper_the_second_time() -> None:
    long = {"model": "gpt-4o", "messages": [{"role": "user", "content": "tide " * 1200}]}
    async with upstream() as up, up.sdk() as client:
        details = [(await client.chat.completions.create(**long)).usage for _ in range(2)]  # type: ignore[call-overload]  # a dict of arguments
    cached = [usage.prompt_tokens_details.cached_tokens for usage in details]
    assert cached == [0, 1152]


async def test_the_bill_tells_what_was_asked_and_a_reset_forgets_it() -> None:
    async with upstream() as up:
        async with up.post("/chat/completions", CHAT, openai_organization="org-1") as answer:
            await answer.read()
        async with up.post("/embeddings", {"model": "e"}) as answer:
            await answer.read()
        stats = await up.stats()
        assert stats["calls"] == {"chat": 1, "embeddings": 1}
        assert (stats["served"], stats["refused"], stats["in_flight"]) == (1, 1, 0)
        assert stats["requests"][0]["organization"] == "org-1"
        async with up.session.post(f"{up.root}/simulator/reset") as answer:
            assert (await answer.json())["calls"] == {}


async def test_faults_can_be_set_while_it_runs() -> None:
    async with upstream(faults={"server_error": 1.0}) as up:
        async with up.post("/chat/completions", CHAT) as answer:
            assert answer.status == 500
        async with up.session.post(f"{up.root}/simulator/faults", json={"overloaded": 1}) as answer:
            assert await answer.json() == {"faults": {"overloaded": 1}, "by_key": {}}
        async with up.post("/chat/completions", CHAT) as answer:
            assert answer.status == 503
        async with up.post("/chat/completions", CHAT, x_simulate_fault="none") as answer:
            assert answer.status == 200
        async with up.session.post(f"{up.root}/simulator/faults", json={"lightning": 1}) as answer:
            assert answer.status == 400
            assert "Known are: invalid_key" in (await answer.json())["error"]["message"]


async def test_one_keys_faults_are_not_anothers() -> None:
    bad, good = ({"authorization": f"Bearer sk-the-{name}-one"} for name in ("bad", "good"))
    async with upstream(faults_by_key={"bad-one": {"out_of_quota": 1.0}}) as up:
        for headers, status in ((bad, 429), (good, 200), (good, 200)):
            async with up.post("/chat/completions", CHAT, **headers) as answer:
                assert answer.status == status
        bills = (await up.stats())["keys"]
        assert {key: (bill["served"], bill["refused"]) for key, bill in bills.items()} == {"-one": (2, 1)}
        async with up.session.post(f"{up.root}/simulator/faults?key=good-one", json={"overloaded": 1}) as answer:
            assert (await answer.json())["by_key"] == {"bad-one": {"out_of_quota": 1.0}, "good-one": {"overloaded": 1}}
        async with up.session.post(f"{up.root}/simulator/faults?key=bad-one", json={}) as answer:
            assert (await answer.json())["by_key"] == {"good-one": {"overloaded": 1}}
        for headers, status in ((bad, 200), (good, 503)):
            async with up.post("/chat/completions", CHAT, **headers) as answer:
                assert answer.status == status


async def test_a_seed_makes_chance_repeat() -> None:
    async def statuses() -> list[int]:
        async with upstream(faults={"server_error": 0.5}, seed=7) as up:
            result = []
            for _ in range(12):
                async with up.post("/chat/completions", CHAT) as answer:
                    result.append(answer.status)
            return result

    first = await statuses()
    assert first == await statuses()
    assert set(first) == {200, 500}


async def test_rate_limits_are_kept_and_pass() -> None:
    clock = ManualClock()
    async with upstream(clock, rpm=2) as up, up.sdk() as client:
        for _ in range(2):
            await client.chat.completions.create(**CHAT)
        with pytest.raises(openai.RateLimitError, match=r"Limit 2, Used 2, Requested 1\. .* in 30s") as no:
            await client.chat.completions.create(**CHAT)
        assert no.value.response.headers["retry-after"] == "30"
        assert no.value.response.headers["x-ratelimit-remaining-requests"] == "0"
        assert no.value.response.headers["x-ratelimit-reset-requests"] == "1m0s"
        clock.advance(30)
        await client.chat.completions.create(**CHAT)


def test_a_fault_that_does_not_exist_is_not_accepted() -> None:
    with pytest.raises(ValueError, match="lightning"):
        create_app(Options(faults={"lightning": 1.0}))
