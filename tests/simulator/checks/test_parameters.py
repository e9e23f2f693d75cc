"""What OpenAI takes is taken, and a refusal has OpenAI's words."""

import pytest

from tests.simulator.checks.requests import (
    CALLED,
    CALLS,
    FUNCTION,
    OUTPUT,
    PIXEL,
    RESULT,
    USER,
    chat,
    refused,
    respond,
    says,
    shows,
    structured,
)
from tests.simulator.client import SCHEMA, Json
from tidegate.simulator.checks.parameters import check

ROLES = "'system', 'assistant', 'user', 'function', 'tool', and 'developer'"

TAKEN: dict[str, tuple[str, Json]] = {
    "sampling": ("responses", respond(temperature=1, top_p=0.5, store=False, truncation="auto")),
    "a tool's turn": ("responses", respond(input=[USER, CALLED, OUTPUT])),
    "a result whose call OpenAI keeps": ("responses", respond(input=[OUTPUT], previous_response_id="resp_1")),
    "null for left out": ("responses", respond(input=[], tools=None, text={"format": {"type": "text"}})),
    "no tools": ("responses", respond(tools=[])),
    "what was said before": (
        "responses", respond(input=[{"role": "assistant", "content": [{"type": "output_text", "text": "x"}]}, USER])
    ),
    "built-in tools": (
        "responses",
        respond(tools=[{"type": "web_search"}, {"type": "image_generation", "size": "1536x864", "quality": "low"}]),
    ),
    "penalties": ("chat", chat(n=2, presence_penalty=-2, max_tokens=1)),
    "a chat's tools": ("chat", says(USER, CALLS, RESULT, tools=[FUNCTION], tool_choice="auto")),
    "an empty answer of before": ("chat", says(USER, {"role": "assistant", "content": ""}, USER)),
    "metadata with store": ("chat", chat(store=True, metadata={"a": "b"})),
    "an image": ("chat", shows(PIXEL, detail="low")),
    "an address of an image": ("chat", shows("https://example.com/tide.png")),
    "a strict schema": ("chat", structured(SCHEMA)),
    "a reasoning model": ("chat", chat(model="o3", max_completion_tokens=5, temperature=1, reasoning_effort="low")),
    "a model that may reason": ("chat", chat(model="gpt-5.2", temperature=0.5)),
    "vectors": ("embeddings", {"model": "e", "input": ["a"], "dimensions": 8, "encoding_format": "float"}),
    "tokens to embed": ("embeddings", {"model": "e", "input": [1, 2]}),
    "texts to moderate": ("moderations", {"input": ["a", "b"]}),
    "an image to moderate": ("moderations", {"input": [{"type": "image_url", "image_url": {"url": PIXEL}}]}),
}  # fmt: skip


@pytest.mark.parametrize(("route", "body"), TAKEN.values(), ids=TAKEN)
def test_what_openai_takes_is_taken(route: str, body: Json) -> None:
    check(route, body)


@pytest.mark.parametrize(
    ("route", "body", "message"),
    [
        (
            "chat", says({"role": "nobody", "content": "x"}),
            f"Invalid value: 'nobody'. Supported values are: {ROLES}.",
        ),
        (
            "chat", chat(temperature=5),
            "Invalid 'temperature': decimal above maximum value. Expected a value <= 2, but got 5 instead.",
        ),
        (
            "chat", says(),
            "Invalid 'messages': empty array. Expected an array with minimum length 1, but got an empty array instead.",
        ),
        (
            "chat", says(USER, CALLS),
            (
                "An assistant message with 'tool_calls' must be followed by tool messages responding to each "
                "'tool_call_id'. The following tool_call_ids did not have response messages: c1"
            ),
        ),
        ("responses", respond(input=[OUTPUT]), "No tool call found for function call output with call_id c1."),
        ("responses", respond(input=[CALLED]), "No tool output found for function call c1."),
        (
            "responses", respond(input=5),
            "Invalid type for 'input': expected one of a string or an array of objects, but got an integer instead.",
        ),
    ],
)  # fmt: skip
def test_the_messages_are_openais(route: str, body: Json, message: str) -> None:
    assert refused(route, body).error["message"] == message
