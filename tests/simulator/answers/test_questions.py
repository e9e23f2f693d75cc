"""Only parameters that determine the answer change it, and reasoning models use reasoning tokens."""

from typing import Any

import pytest

from tidegate.simulator.answers.questions import (
    GenerationRequest,
    Tool,
    answer_inputs,
    choose_tool,
    generate,
    reasoning_tokens,
)

QUESTION = GenerationRequest(seed=1, user_text="When is high tide?", input_tokens=9)


def test_an_answer_depends_on_the_seed_and_the_choice_alone() -> None:
    assert generate(QUESTION) == generate(QUESTION) != generate(QUESTION, 1)
    assert "When is high tide?" in generate(QUESTION).text


def test_a_custom_tool_gets_text_and_a_function_json() -> None:
    custom = generate(GenerationRequest(seed=1, user_text="x", input_tokens=1, tool=Tool(name="t", custom=True)))
    function = generate(
        GenerationRequest(seed=1, user_text="x", input_tokens=1, tool=Tool(name="t", schema={"const": 7}))
    )
    assert custom.text.startswith("You said")
    assert function.text == "7"


def test_what_does_not_shape_an_answer_is_left_out() -> None:
    assert answer_inputs({"model": "m", "stream": True, "user": "u", "new": 1}) == {"model": "m", "new": 1}


@pytest.mark.parametrize(
    ("model", "effort", "tokens"),
    [("gpt-4o", None, 0), ("gpt-5", None, 128), ("gpt-5-chat-latest", None, 0), ("o3", "high", 256),
     ("gpt-5-mini", "minimal", 0), ("o1", "unheard-of", 128)],
)  # fmt: skip
def test_only_some_models_reason(model: str, effort: str | None, tokens: int) -> None:
    assert reasoning_tokens(model, effort) == tokens


@pytest.mark.parametrize(
    ("choice", "calls_before", "calls_after"),
    [("auto", 1, 0), (None, 1, 0), ("required", 1, 1), ("none", 0, 0)],
)
def test_a_tool_that_has_answered_is_called_again_only_when_required(
    choice: Any, calls_before: int, calls_after: int
) -> None:
    tools = [Tool(name="t")]
    assert (choose_tool(tools, choice, has_tool_output=False) is not None) == bool(calls_before)
    assert (choose_tool(tools, choice, has_tool_output=True) is not None) == bool(calls_after)
