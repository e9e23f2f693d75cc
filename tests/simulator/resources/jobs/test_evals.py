"""An eval states how its data looks, and numbers its criteria."""

from typing import Any

import pytest

from tests.simulator.client import upstream
from tests.simulator.resources.asking import ask, expect_refusal

_CRITERION = {"type": "string_check", "name": "c", "input": "a", "reference": "a", "operation": "eq"}
_CUSTOM = {"type": "custom", "item_schema": {"type": "object"}}


@pytest.mark.parametrize(
    ("config", "fields"),
    [
        (_CUSTOM, ["item"]),
        ({**_CUSTOM, "include_sample_schema": True}, ["item", "sample"]),
        ({"type": "logs", "metadata": {"a": "b"}}, ["item"]),
    ],
)
async def test_an_eval_states_its_schema(config: dict[str, Any], fields: list[str]) -> None:
    async with upstream() as up:
        body = {"data_source_config": config, "testing_criteria": [_CRITERION, _CRITERION]}
        _, made = await ask(up, "POST", "/evals", body)
    assert list(made["data_source_config"]["schema"]["properties"]) == fields
    assert len({criterion["id"] for criterion in made["testing_criteria"]}) == 2


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({}, "Missing required parameter: 'data_source_config'"),
        ({"data_source_config": {"type": "custom"}, "testing_criteria": [1]}, "'data_source_config.item_schema'"),
        ({"data_source_config": _CUSTOM, "testing_criteria": []}, "empty array"),
        ({"data_source_config": _CUSTOM, "testing_criteria": [{"type": "x"}]}, "Invalid value: 'x'"),
    ],
)
async def test_what_openai_refuses_is_refused(body: Any, message: str) -> None:
    async with upstream() as up:
        await expect_refusal(up, ("POST", "/evals", body, 400, message))
