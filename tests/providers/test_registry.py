"""Providers are made as they are configured; of a caller's headers only what is listed goes along to them."""

import pytest

from tests.providers.targets import config_of, providers
from tidegate.core import endpoints
from tidegate.core.config import Settings
from tidegate.providers.azure import AzureProvider
from tidegate.providers.openai import OpenAIProvider
from tidegate.providers.registry import HeaderForwarding

USUAL = Settings().upstream.forward_headers


async def test_each_kind_is_made() -> None:
    azure = config_of("https://mine.example", kind="azure", api_version="2024-10-21")
    own = config_of("http://localhost:8000/v1", kind="openai_compatible", endpoints=["chat"])
    async with providers(openai=config_of("https://x/v1"), azure=azure, own=own) as made:
        assert {name: type(each) for name, each in made.items()} == {
            "openai": OpenAIProvider,
            "azure": AzureProvider,
            "own": OpenAIProvider,
        }
        assert {name: each.name for name, each in made.items()} == {name: name for name in made}
        assert made["openai"].endpoints == set(endpoints.ALL)
        assert made["azure"].endpoints == {endpoints.CHAT, endpoints.RESPONSES, endpoints.EMBEDDINGS}
        assert made["own"].endpoints == {endpoints.CHAT}


@pytest.mark.parametrize(
    ("patterns", "expected"),
    [
        (USUAL, {"openai-beta", "openai-organization", "idempotency-key", "x-client-request-id"}),
        (("x-*",), {"x-client-request-id", "x-forwarded-for"}),
        ((), set()),
    ],
)
def test_the_callers_headers(patterns: tuple[str, ...], expected: set[str]) -> None:
    names = {
        "authorization", "cookie", "host", "content-length", "user-agent", "openai-organization", "openai-beta",
        "idempotency-key", "x-client-request-id", "x-forwarded-for",
    }  # fmt: skip
    theirs = dict.fromkeys(names, "theirs")
    assert HeaderForwarding(patterns).select(theirs) == dict.fromkeys(expected, "theirs")
