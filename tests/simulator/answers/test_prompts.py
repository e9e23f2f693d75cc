"""A stored prompt stands for its own model, unless the request names another."""

from typing import Any

import pytest

from tidegate.simulator.answers.prompts import PROMPT_MODEL, prompt_field, with_prompt
from tidegate.simulator.refusal import Refusal


@pytest.mark.parametrize(
    ("body", "model"),
    [
        ({"prompt": {"id": "pmpt_1"}}, PROMPT_MODEL),
        ({"prompt": {"id": "pmpt_1"}, "model": None}, PROMPT_MODEL),
        ({"prompt": {"id": "pmpt_1"}, "model": "gpt-4o"}, "gpt-4o"),
        ({"input": "x"}, None),
    ],
)
def test_the_model(body: dict[str, Any], model: str | None) -> None:
    assert with_prompt(body).get("model") == model


@pytest.mark.parametrize("prompt", [{}, {"id": 7}, {"id": "resp_1"}, "pmpt_1"])
def test_what_is_no_prompt_is_refused(prompt: Any) -> None:
    with pytest.raises(Refusal):
        with_prompt({"prompt": prompt})


def test_a_response_repeats_its_prompt() -> None:
    asked = {"id": "pmpt_1", "version": "2", "variables": {"place": "Brest"}}
    assert prompt_field({"prompt": asked}) == {"prompt": asked}
    assert prompt_field({"input": "x"}) == {}
