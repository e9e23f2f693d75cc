"""Azure's addresses become OpenAI's, and an address that is slightly wrong is recognized."""

import pytest

from tidegate.web.aliases import likely_path, to_openai


@pytest.mark.parametrize(
    ("path", "openai", "model"),
    [
        ("/v1/chat/completions", "/v1/chat/completions", ""),
        ("/openai", "/openai", ""),
        ("/openai/v1/models/a", "/v1/models/a", ""),
        ("/openai/responses/resp_1", "/v1/responses/resp_1", ""),
        ("/openai/deployments/a/chat/completions", "/v1/chat/completions", "a"),
        ("/openai/deployments/a/b/embeddings", "/v1/embeddings", "a/b"),
        ("/openai/deployments/a/responses/resp_1/input_items", "/v1/responses/resp_1/input_items", "a"),
        ("/openai/deployments/a", "/v1/", "a"),
        ("/openai/v1/deployments/a/embeddings", "/v1/embeddings", "a"),
        ("/openai/v1/v1/models", "/v1/v1/models", ""),
    ],
)
def test_azures_addresses(path: str, openai: str, model: str) -> None:
    assert to_openai(path) == (openai, model)


@pytest.mark.parametrize(
    ("path", "meant"),
    [
        ("/models", "/v1/models"),
        ("/v1/models/", "/v1/models"),
        ("/v1//models", "/v1/models"),
        ("//v1/models", "/v1/models"),
        ("/v1/v1/models", "/v1/models"),
        ("/v1/v1/v1/models//", "/v1/models"),
        ("/readyz/", "/readyz"),
        ("/v1/nothing", None),
        ("/v1/models", None),
        ("/", None),
        ("", None),
    ],
)
def test_the_address_that_was_meant(path: str, meant: str | None) -> None:
    assert likely_path(path, {"/v1/models", "/readyz"}.__contains__) == meant
