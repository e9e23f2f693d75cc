"""Providers are made as they are configured; of a caller's headers only what is listed goes along to them."""

from typing import get_args

import pytest

from tests.providers.targets import config_of, providers
from tidegate.core import endpoints
from tidegate.core.config import Settings
from tidegate.core.config.sections.providers import ProviderKind
from tidegate.providers.openai_family.azure import AzureProvider
from tidegate.providers.openai_family.openai import OpenAIProvider
from tidegate.providers.openai_family.openai_compatible import OpenAICompatibleProvider
from tidegate.providers.openai_family.provider import OpenAIFamilyProvider
from tidegate.providers.registry import PROVIDER_CLASSES, HeaderForwarding

USUAL = Settings().upstream.forward_headers


async def test_each_kind_has_its_class() -> None:
    azure = config_of("https://mine.example", kind="azure", api_version="2024-10-21")
    own = config_of("http://localhost:8000/v1", kind="openai_compatible", endpoints=["chat"])
    async with providers(openai=config_of("https://x/v1"), azure=azure, own=own) as made:
        classes = {name: type(each) for name, each in made.items()}
        assert classes == {"openai": OpenAIProvider, "azure": AzureProvider, "own": OpenAICompatibleProvider}
        assert {name: each.name for name, each in made.items()} == {name: name for name in made}
        made_endpoints = {name: each.endpoints for name, each in made.items() if isinstance(each, OpenAIFamilyProvider)}
    assert made_endpoints["openai"] == set(endpoints.ALL)
    assert made_endpoints["azure"] == {endpoints.CHAT, endpoints.RESPONSES, endpoints.EMBEDDINGS}
    assert made_endpoints["own"] == {endpoints.CHAT}


def test_each_configurable_kind_has_a_class() -> None:
    assert set(PROVIDER_CLASSES) == set(get_args(ProviderKind))


@pytest.mark.parametrize(
    ("patterns", "expected"),
    [
        (USUAL, {"openai-beta", "openai-organization", "idempotency-key", "x-client-request-id"}),
        (("x-*",), {"x-client-request-id", "x-forwarded-for"}),
        (
            ("*",),
            {
                "user-agent",
                "openai-organization",
                "openai-beta",
                "idempotency-key",
                "x-client-request-id",
                "x-forwarded-for",
            },
        ),
        ((), set()),
    ],
)
def test_the_callers_headers(patterns: tuple[str, ...], expected: set[str]) -> None:
    names = {
        "authorization", "cookie", "host", "content-length", "user-agent", "openai-organization", "openai-beta",
        "idempotency-key", "x-client-request-id", "x-forwarded-for", "x-tidegate-tags",
    }  # fmt: skip
    theirs = dict.fromkeys(names, "theirs")
    assert HeaderForwarding(patterns).select(theirs) == dict.fromkeys(expected, "theirs")
