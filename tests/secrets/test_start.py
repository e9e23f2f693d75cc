"""At start every secret is read from its place, and those that others can see are named."""

import pytest
from structlog.testing import capture_logs

from tests.secrets.fake_services import Services
from tidegate.core.clock import SystemClock
from tidegate.core.config import Settings
from tidegate.core.config.secret_errors import SecretRefused
from tidegate.secrets.start import make_watch, warn_of_secrets_in_sight, with_secrets

NAME = "projects/shop-1/secrets/openai"


def settings(services: Services, **sections: object) -> Settings:
    secrets = {"google_url": services.url}
    return Settings.model_validate({"upstream": {"api_key": f"gcp-sm:{NAME}"}, "secrets": secrets, **sections})


def test_a_service_s_secret_is_put_in_place_and_watched(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GCE_METADATA_HOST", services.host)
    services.secrets[NAME] = [b"sk-one"]
    read = with_secrets(settings(services), SystemClock())
    assert read.upstream.api_key is not None
    assert read.upstream.api_key.get_secret_value() == "sk-one"
    assert [str(reference) for reference in make_watch(read, SystemClock()).states] == [f"gcp-sm:{NAME}"]


def test_a_secret_that_is_not_there_names_its_place_and_the_setting(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GCE_METADATA_HOST", services.host)
    with pytest.raises(SecretRefused, match=rf"gcp-sm:{NAME}.*404.*upstream\.api_key"):
        with_secrets(settings(services), SystemClock())


def test_secrets_that_others_can_see_are_named_and_not_shown(services: Services) -> None:
    seen = settings(services, database_url="postgresql://u:hidden@base/x", redis_url="env:MY_REDIS")
    with capture_logs() as logs:
        warn_of_secrets_in_sight(seen)
    assert [line["setting"] for line in logs] == ["database_url", "redis_url"]
    assert "hidden" not in str(logs)


def test_a_place_that_two_settings_name_is_read_once_and_all_share_one_token(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GCE_METADATA_HOST", services.host)
    services.secrets.update({NAME: [b"sk-one"], f"{NAME}-2": [b"redis://base"]})
    named = settings(services, auth={"admin_key": f"gcp-sm:{NAME}"}, redis_url=f"gcp-sm:{NAME}-2")
    read = with_secrets(named, SystemClock())
    assert read.auth.admin_key is not None
    assert read.auth.admin_key.get_secret_value() == "sk-one"
    assert services.calls == {"google token": 1, "secret": 2}
