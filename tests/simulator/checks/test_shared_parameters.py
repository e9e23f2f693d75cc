"""The parameters that chat and responses share have OpenAI's types, lengths and bounds."""

import pytest

from tests.simulator.checks.requests import LONG, Refused, chat, param_and_code, respond
from tests.simulator.client import Json

REFUSED: list[Refused] = [
    ("chat", chat(temperature="hot"), "temperature", "invalid_type"),
    ("chat", chat(temperature=5), "temperature", "decimal_above_max_value"),
    ("chat", chat(top_p=-1), "top_p", "decimal_below_min_value"),
    ("chat", chat(service_tier="gold"), "service_tier", "invalid_value"),
    ("chat", chat(safety_identifier="x" * 65), "safety_identifier", "string_above_max_length"),
    ("chat", chat(store=True, metadata=LONG), "metadata", "object_above_max_properties"),
    ("chat", chat(store=True, metadata={"a": 1}), "metadata.a", "invalid_type"),
    ("chat", chat(store=True, metadata={"a": "x" * 513}), "metadata.a", "string_above_max_length"),
    ("chat", chat(store=True, metadata={"x" * 65: "a"}), "metadata", "string_above_max_length"),
    ("responses", respond(top_logprobs=21), "top_logprobs", "integer_above_max_value"),
]  # fmt: skip


@pytest.mark.parametrize(("route", "body", "param", "code"), REFUSED, ids=range(len(REFUSED)))
def test_what_openai_refuses_is_refused(route: str, body: Json, param: str | None, code: str | None) -> None:
    assert param_and_code(route, body) == (param, code)
