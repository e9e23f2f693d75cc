"""A parameter that a model does not have is refused for that model alone."""

import pytest

from tests.simulator.checks.requests import Refused, chat, param_and_code, respond
from tests.simulator.client import Json

REFUSED: list[Refused] = [
    ("chat", chat(model="gpt-5-mini", max_tokens=9), "max_tokens", "unsupported_parameter"),
    ("chat", chat(model="o4-mini", temperature=0.5), "temperature", "unsupported_value"),
    ("chat", chat(model="o3", stop="x"), "stop", "unsupported_parameter"),
    ("chat", chat(reasoning_effort="low"), "reasoning_effort", "unsupported_parameter"),
    ("responses", respond(model="gpt-5", temperature=0.5), "temperature", "unsupported_parameter"),
    ("responses", respond(reasoning={"effort": "low"}), "reasoning.effort", "unsupported_parameter"),
    ("responses", respond(include=["reasoning.encrypted_content"]), "include", None),
    ("responses", respond(text={"verbosity": "low"}), "text.verbosity", "unsupported_value"),
    ("embeddings", {"model": "text-embedding-ada-002", "input": "x", "dimensions": 8}, "dimensions", None),
]  # fmt: skip


@pytest.mark.parametrize(("route", "body", "param", "code"), REFUSED, ids=range(len(REFUSED)))
def test_what_openai_refuses_is_refused(route: str, body: Json, param: str | None, code: str | None) -> None:
    assert param_and_code(route, body) == (param, code)
