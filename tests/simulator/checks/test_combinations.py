"""Parameters that need or exclude another one are refused without or with it."""

import pytest

from tests.simulator.checks.requests import USER, Refused, chat, param_and_code, respond, says
from tests.simulator.client import Json

REFUSED: list[Refused] = [
    ("chat", says(USER, {"role": "assistant", "content": None}), "messages.[1].content", None),
    ("chat", chat(tool_choice="auto"), "tool_choice", None),
    ("chat", chat(parallel_tool_calls=True), "parallel_tool_calls", None),
    ("responses", respond(tool_choice="required"), "tool_choice", None),
    ("chat", chat(response_format={"type": "json_object"}), "messages", None),
    ("responses", respond(text={"format": {"type": "json_object"}}), "input", None),
    ("chat", chat(top_logprobs=2), "top_logprobs", None),
    ("chat", chat(stream_options={"include_usage": True}), "stream_options", None),
    ("chat", chat(metadata={"a": "b"}), "metadata", None),
    ("chat", chat(max_tokens=1, max_completion_tokens=1), "max_tokens", "invalid_parameter_combination"),
    ("chat", chat(modalities=["audio"]), "audio", "missing_required_parameter"),
    ("responses", respond(previous_response_id="resp_1", conversation="conv_1"), None, "mutually_exclusive_parameters"),
    ("responses", respond(previous_response_id="chatcmpl-1"), "previous_response_id", "invalid_value"),
    ("responses", respond(background=True, store=False), "background", "unsupported_parameter"),
]  # fmt: skip


@pytest.mark.parametrize(("route", "body", "param", "code"), REFUSED, ids=range(len(REFUSED)))
def test_what_openai_refuses_is_refused(route: str, body: Json, param: str | None, code: str | None) -> None:
    assert param_and_code(route, body) == (param, code)
