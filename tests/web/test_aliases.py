"""Azure's addresses become OpenAI's, and an address that is slightly wrong is recognized."""

import pytest

from tidegate.web.aliases import MODEL, likely_path, to_openai


@pytest.mark.parametrize(
    ("path", "openai", "model"),
    [
        ("/v1/chat/completions", "/v1/chat/completions", None),
        ("/openai", "/openai", None),
        ("/openai/v1/models/a", "/v1/models/a", None),
        ("/openai/responses/resp_1", "/v1/responses/resp_1", None),
        ("/openai/deployments/a/chat/completions", "/v1/chat/completions", "a"),
        ("/openai/deployments/a/b/embeddings", "/v1/embeddings", "a/b"),
        ("/openai/deployments/a/responses/resp_1/input_items", "/v1/responses/resp_1/input_items", "a"),
        ("/openai/deployments/a", "/v1/", "a"),
        ("/openai/v1/deployments/a/embeddings", "/v1/embeddings", "a"),
        ("/openai/v1/v1/models", "/v1/v1/models", None),
    ],
)
def test_azures_addresses(path: str, openai: str, model: str | None) -> None:
    scope = to_openai({"path": path})
    assert (scope["path"], scope.get(MODEL)) == (openai, model)


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
