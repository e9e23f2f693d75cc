"""Each kind of reference is read by its source, and every error names the reference."""

import pytest

from tests.secrets.fake_services import IDENTITY_HEADER, Services
from tidegate.core.clock import ManualClock
from tidegate.core.config.secret_errors import SecretError
from tidegate.core.config.secret_reference import parse_reference
from tidegate.core.config.sections.secrets import SecretsConfig
from tidegate.secrets.sources.registry import SecretSources

PLACES = ["gcp-sm:projects/p/secrets/openai", "azure-kv:shop/openai", "aws-sm:openai", "env:NONE", "file:/none/key"]


@pytest.fixture
def sources(services: Services) -> SecretSources:
    config = SecretsConfig(aws_url=services.url, google_url=services.url, azure_url=services.url)
    environ = {
        "GCE_METADATA_HOST": services.host,
        "IDENTITY_ENDPOINT": f"{services.url}/msi/token",
        "IDENTITY_HEADER": IDENTITY_HEADER,
        "AWS_REGION": "eu-west-1",
        "AWS_ACCESS_KEY_ID": "AKIA",
        "AWS_SECRET_ACCESS_KEY": "secret",
    }
    return SecretSources(config, environ, ManualClock())


def test_each_kind_is_read(services: Services, sources: SecretSources) -> None:
    services.secrets = {"projects/p/secrets/openai": [b"sk-google"], "openai": [b"sk-azure"]}
    found = [sources.read(reference).text for text in PLACES[:2] if (reference := parse_reference(text))]
    assert found == ["sk-google", "sk-azure"]


@pytest.mark.parametrize("text", PLACES)
def test_an_error_names_the_reference(sources: SecretSources, text: str) -> None:
    reference = parse_reference(text)
    assert reference is not None
    with pytest.raises(SecretError) as refusal:
        sources.read(reference)
    assert str(refusal.value).count(text) == 1
