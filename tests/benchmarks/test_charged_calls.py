"""The calls are ones that OpenAI takes, and together they are charged for every kind of tokens and of tools."""

from random import Random

from benchmarks.charged_calls import CHAT, ChargedCall, charged_call
from tidegate.simulator.answers.reply import TokenKinds
from tidegate.simulator.checks.parameters import check
from tidegate.simulator.options import Options, request_behavior


def calls() -> list[ChargedCall]:
    dice = Random(1)  # noqa: S311  # repeatable on purpose
    return [charged_call(dice) for _ in range(500)]


def test_each_call_is_taken() -> None:
    for call in calls():
        words = {"messages": [{"role": "user", "content": "hi"}]} if call.path == CHAT else {"input": "hi"}
        check("chat" if call.path == CHAT else "responses", {**words, **call.body})


def test_every_kind_comes() -> None:
    behaviors = [request_behavior(Options(), call.headers, None) for call in calls()]

    stated = {kind for behavior in behaviors for kind in behavior.usage}
    assert stated >= {"input", "cached", *TokenKinds.__struct_fields__} - {"output_image"}
    assert {tool for behavior in behaviors for tool in behavior.tools} == {
        "web_search",
        "file_search",
        "code_interpreter",
        "image_generation",
    }
    assert {behavior.states_tool_usage for behavior in behaviors} == {True, False}
    assert {call.body.get("service_tier") for call in calls()} == {None, "flex", "priority"}
    assert max(behavior.usage.get("input", 0) for behavior in behaviors) > 272_000
