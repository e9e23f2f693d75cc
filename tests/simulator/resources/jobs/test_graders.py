"""A grader that is run on its own says its grade, and a model that it needs is on the bill."""

from typing import Any

import pytest

from tests.simulator.client import upstream
from tests.simulator.resources.asking import ask, expect_refusal

_RUN = "/fine_tuning/alpha/graders/run"
_PYTHON = {"type": "python", "name": "p", "source": "x"}
_MODEL = {"type": "score_model", "name": "s", "model": "gpt-4o", "input": [{"role": "user", "content": "a"}]}


async def test_a_program_is_not_run_and_the_answer_says_so() -> None:
    async with upstream() as up:
        _, run = await ask(up, "POST", _RUN, {"grader": _PYTHON, "model_sample": "a"})
    assert (run["reward"], run["metadata"]["errors"]["python_grader_server_error"]) == (0.0, True)


async def test_a_model_that_grades_is_on_the_bill() -> None:
    async with upstream() as up:
        _, run = await ask(up, "POST", _RUN, {"grader": _MODEL, "model_sample": "a"})
        stats = await up.stats()
    assert stats["calls"]["graders.model"] == 1
    assert stats["cost_nanos"] > 0
    tokens = stats["tokens"]["input"] + stats["tokens"]["output"]
    assert run["model_grader_token_usage_per_model"] == {"gpt-4o": tokens}


@pytest.mark.parametrize(
    ("path", "body", "message"),
    [
        (_RUN, {"grader": _PYTHON}, "Missing required parameter: 'model_sample'"),
        (_RUN, {"model_sample": "a"}, "Invalid type for 'grader'"),
        ("/fine_tuning/alpha/graders/validate", {"grader": {"type": "odd"}}, "Invalid value: 'odd'"),
    ],
)
async def test_what_openai_refuses_is_refused(path: str, body: Any, message: str) -> None:
    async with upstream() as up:
        await expect_refusal(up, ("POST", path, body, 400, message))
