"""A container that the code interpreter made belongs to the project whose answer named it."""

import re

import pytest

from tests.harness import Gateway, World

TOOL = {"type": "code_interpreter", "container": {"type": "auto"}}


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("store", [False, True])
async def test_a_container_is_used_again_by_its_project_alone(
    world: World, gateway: Gateway, stream: bool, store: bool
) -> None:
    other = (await world.keys.create(project="bank", name="other")).token
    request = {
        "model": "gpt-4o",
        "input": "Use the tool code_interpreter",
        "tools": [TOOL],
        "stream": stream,
        "store": store,
    }
    answer = await gateway.call("/responses", request, x_simulate_tools="code_interpreter=1")
    assert answer.status == 200, answer.text
    found = re.search(r'"container_id":\s*"(cntr_\w+)"', answer.text)
    assert found is not None, answer.text
    again = {"model": "gpt-4o", "input": "Go on", "tools": [{"type": "code_interpreter", "container": found[1]}]}
    assert (await gateway.call("/responses", again)).status == 200
    refused = await gateway.call("/responses", again, authorization=f"Bearer {other}")
    assert (refused.status, refused.headers["x-tidegate-error"]) == (404, "upstream_object_not_found")
