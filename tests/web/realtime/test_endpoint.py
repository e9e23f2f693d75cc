"""A handshake says who calls and what for: in its headers, or in the subprotocols of a browser."""

from typing import Any

import pytest

from tidegate.web.realtime.endpoint import session_request


def scope(query: str = "", subprotocols: tuple[str, ...] = (), **headers: str) -> dict[str, Any]:
    raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return {"headers": raw, "query_string": query.encode(), "subprotocols": list(subprotocols)}


@pytest.mark.parametrize(
    ("handshake", "authorization"),
    [
        (scope(authorization="Bearer a"), "Bearer a"),
        (scope(subprotocols=("realtime", "openai-insecure-api-key.b")), "Bearer b"),
        (scope(subprotocols=("openai-insecure-api-key.b",), authorization="Bearer a"), "Bearer a"),
        (scope(), ""),
    ],
)
def test_the_key_is_in_the_header_or_in_a_subprotocol(handshake: dict[str, Any], authorization: str) -> None:
    assert session_request(handshake, "req_1").authorization == authorization


def test_the_model_and_the_known_parameters_are_read() -> None:
    request = session_request(scope("model=gpt-realtime&intent=transcription&other=1"), "req_1")
    assert (request.model, dict(request.parameters)) == ("gpt-realtime", {"intent": "transcription"})


def test_a_browser_names_the_beta_as_a_subprotocol() -> None:
    request = session_request(scope(subprotocols=("openai-beta.realtime-v1",)), "req_1")
    assert request.headers["openai-beta"] == "realtime=v1"


def test_the_end_user_is_in_openais_header_and_no_key_is_shown() -> None:
    request = session_request(scope(openai_safety_identifier="anna", authorization="Bearer secret"), "req_1")
    assert request.end_user == "anna"
    assert "secret" not in repr(request)
