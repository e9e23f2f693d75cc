"""A new value is tested in each setting that refers to its place; a place that no setting refers to is refused."""

import pytest

from tests.gateway.keyed_upstream import KeyedUpstream
from tidegate.cli.security.new_values import check_new_value, credential_of, probing_providers, settings_with
from tidegate.core.config import ConfigError, Settings
from tidegate.core.config.secret_reference import SecretReference
from tidegate.secrets.rotation import NewSecretRefused

PLACE = SecretReference("aws-sm", "shared")


def settings(**changed: object) -> Settings:
    return Settings.model_validate(changed)


@pytest.mark.parametrize(
    ("setting", "credential"),
    [
        ("upstream.api_key", ("openai", "default")),
        ("providers.azure.credentials.east", ("azure", "east")),
        ("auth.admin_key", None),
        ("database_url", None),
    ],
)
def test_the_credential_of_a_setting(setting: str, credential: tuple[str, str] | None) -> None:
    assert credential_of(setting) == credential


def test_every_setting_that_refers_to_a_place_is_found() -> None:
    found = settings_with(settings(auth={"admin_key": str(PLACE)}, upstream={"api_key": str(PLACE)}), PLACE)
    assert set(found) == {"auth.admin_key", "upstream.api_key"}
    with pytest.raises(ConfigError, match="no setting refers to it"):
        settings_with(settings(auth={"admin_key": f"{PLACE}#key"}), PLACE)


def test_one_setting_that_cannot_use_the_value_is_enough() -> None:
    both = settings(auth={"admin_key": str(PLACE)}, redis_url=str(PLACE))
    with pytest.raises(NewSecretRefused, match="cannot be used as redis_url"):
        check_new_value(both, PLACE, "no-address")
    check_new_value(settings(auth={"admin_key": str(PLACE)}), PLACE, "any-admin-key")


async def test_the_providers_for_probes_need_no_secret_that_can_be_read() -> None:
    async with KeyedUpstream().serving() as upstream:
        configured = settings(upstream={"api_key": str(PLACE), "base_url": upstream.base_url})
        async with probing_providers(configured) as providers:
            assert "openai" in providers
