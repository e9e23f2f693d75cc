"""Nothing is sent to a collector unless its address is configured, and the address may be a secret's place."""

import pytest
from pydantic import SecretStr, ValidationError

from tidegate.core.config import Settings, TracingConfig
from tidegate.core.config.secret_values import configured_secrets, reader_of, with_values

PLACES = {"endpoint": "env:COLLECTOR", "headers": {"authorization": "env:TOKEN"}}


def test_nothing_is_sent_by_default() -> None:
    assert TracingConfig().endpoint is None


@pytest.mark.parametrize("address", ["http://collector:4318", "https://otlp.example.com/base", "env:COLLECTOR"])
def test_an_address_or_its_place_is_taken(address: str) -> None:
    assert TracingConfig(endpoint=SecretStr(address)).endpoint is not None


@pytest.mark.parametrize("address", ["collector:4318", "grpc://collector:4317", "https://", "http://collector:x"])
def test_what_is_no_address_is_refused(address: str) -> None:
    with pytest.raises(ValidationError, match="collector"):
        TracingConfig(endpoint=SecretStr(address))


def test_address_and_headers_may_be_at_secret_places() -> None:
    settings = Settings.model_validate({"tracing": PLACES})
    assert {each.setting for each in configured_secrets(settings)} >= {
        "tracing.endpoint",
        "tracing.headers.authorization",
    }
    read = with_values(settings, reader_of({"COLLECTOR": "http://c:4318", "TOKEN": "Bearer hidden"})).tracing
    assert read.endpoint is not None
    assert read.endpoint.get_secret_value() == "http://c:4318"
    assert read.headers["authorization"].get_secret_value() == "Bearer hidden"
    assert "hidden" not in repr(read)
