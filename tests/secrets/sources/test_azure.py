"""Azure Key Vault is read with the identity of the container, for the vault's audience."""

import pytest

from tests.secrets.fake_services import IDENTITY_HEADER, Services
from tidegate.core.clock import SystemClock
from tidegate.core.config.secret_errors import SecretRefused
from tidegate.core.config.secret_reference import SecretReference
from tidegate.secrets.sources.azure import AzureSource

REFERENCE = SecretReference("azure-kv", "shop/openai")


def source_of(services: Services, header: str = IDENTITY_HEADER) -> AzureSource:
    environ = {"IDENTITY_ENDPOINT": f"{services.url}/msi/token", "IDENTITY_HEADER": header}
    return AzureSource(environ, SystemClock(), url=services.url)


def test_the_newest_version_is_read_with_one_token(services: Services) -> None:
    services.secrets["openai"] = [b"sk-one", b"sk-two"]
    source = source_of(services)
    assert [source.read(REFERENCE).text for _ in range(3)] == ["sk-two"] * 3
    assert source.read(REFERENCE).version.endswith("2")
    assert services.calls == {"azure token": 1, "secret": 4}


def test_a_token_that_has_nearly_ended_is_replaced(services: Services) -> None:
    services.secrets["openai"] = [b"sk-one"]
    services.token_seconds = 60
    source = source_of(services)
    assert [source.read(REFERENCE).text for _ in range(2)] == ["sk-one"] * 2
    assert services.calls["azure token"] == 2


def test_an_identity_that_may_not_read_is_told(services: Services) -> None:
    with pytest.raises(SecretRefused, match="managed identity refused with 400"):
        source_of(services, header="wrong").read(REFERENCE)
    with pytest.raises(SecretRefused, match="Key Vault shop refused with 404"):
        source_of(services).read(REFERENCE)
