"""OpenAI's paths and Azure's lead to the same endpoints."""

import pytest

from tidegate.simulator.addresses import Address, address

VERSION = {"api-version": "2024-10-21"}


@pytest.mark.parametrize(
    ("request_line", "expected"),
    [
        ("POST /v1/chat/completions", Address(route="chat")),
        ("POST /v1/responses", Address(route="responses")),
        ("POST /v1/embeddings", Address(route="embeddings")),
        ("POST /v1/moderations", Address(route="moderations")),
        ("GET /v1/models", Address(route="models")),
        ("GET /v1/models/gpt-4o", Address(route="models", model="gpt-4o")),
        ("GET /v1/models/ft%3Agpt", Address(route="models", model="ft:gpt")),
        ("GET /v1/embeddings", Address(route="unknown", wrong_method=True)),
        ("DELETE /v1/models/gpt-4o", Address(route="models", model="gpt-4o")),
        ("DELETE /v1/models", Address(route="unknown")),
        ("POST /v1/audio/speech", Address(route="unknown")),
        ("POST /chat/completions", Address(route="unknown")),
        ("POST /v2/chat/completions", Address(route="unknown")),
        ("POST /openai/deployments/four/chat/completions", Address(route="chat", model="four", azure=True)),
        ("POST /openai/deployments/a%20b/embeddings", Address(route="embeddings", model="a b", azure=True)),
        ("POST /openai/deployments/four/responses", Address(route="unknown", model="four", azure=True)),
        ("POST /openai/responses", Address(route="responses", azure=True)),
        ("GET /openai/models", Address(route="models", azure=True)),
        ("GET /openai/models/gpt-4o", Address(route="models", model="gpt-4o", azure=True)),
        ("POST /openai/chat/completions", Address(route="unknown", azure=True)),
        ("POST /openai/v1/chat/completions", Address(route="chat", azure=True)),
        ("POST /openai/v1/responses", Address(route="responses", azure=True)),
        ("POST /openai/v1/moderations", Address(route="unknown", azure=True)),
    ],
)
def test_a_request_finds_its_endpoint(request_line: str, expected: Address) -> None:
    method, _, path = request_line.partition(" ")
    assert address(method, path, VERSION) == expected


@pytest.mark.parametrize("path", ["/openai/deployments/four/chat/completions", "/openai/responses"])
def test_azures_older_paths_need_a_version(path: str) -> None:
    assert address("POST", path, {}).route == "unknown"


def test_azures_newer_ones_do_not() -> None:
    assert address("POST", "/openai/v1/chat/completions", {}).route == "chat"
