"""A line of a batch gets the answer of its endpoint, or the endpoint's refusal."""

from typing import Any

import pytest

from tests.simulator.client import CHAT
from tidegate.simulator.billing.tariff import BATCH
from tidegate.simulator.inference import SimulatedInference


def test_a_line_is_answered_with_its_usage() -> None:
    found = SimulatedInference().answer_line("/v1/chat/completions", CHAT, "0" * 32, 1.0)
    assert (found.status, found.model, found.usage.tier) == (200, "gpt-4o", BATCH)
    assert found.usage.output == found.body["usage"]["completion_tokens"] > 0


@pytest.mark.parametrize(
    ("url", "body", "message"),
    [
        ("/v1/chat/completions", {}, "you must provide a model parameter"),
        ("/v1/chat/completions", {**CHAT, "stream": True}, "Streaming is not supported in the Batch API."),
        ("/v1/chat/completions", {**CHAT, "wrong": 1}, "Unknown parameter: 'wrong'"),
        ("/v1/responses", {"model": "gpt-4o", "input": 3}, "Invalid type for 'input'"),
    ],
)
def test_a_wrong_line_is_refused(url: str, body: dict[str, Any], message: str) -> None:
    found = SimulatedInference().answer_line(url, body, "0" * 32, 1.0)
    assert (found.status, found.usage.input) == (400, 0)
    assert message in found.body["error"]["message"]
