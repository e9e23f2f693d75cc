"""Amazon Secrets Manager, a real one over HTTP (`moto_server`), is read with a signed request."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.secrets.fake_services import Services
from tests.secrets.managers import ENVIRON, client_of, running_manager
from tidegate.core.clock import SystemClock
from tidegate.core.config.secret_errors import SecretError, SecretRefused, SecretSourceUnavailable, SecretUnusable
from tidegate.core.config.secret_reference import SecretReference
from tidegate.secrets.sources.aws import AwsSource


@pytest.fixture(scope="module")
def manager_url() -> Iterator[str]:
    with running_manager() as url:
        yield url


@pytest.fixture
def manager(manager_url: str) -> Any:
    return client_of(manager_url)


def source_of(url: str) -> AwsSource:
    return AwsSource(ENVIRON, SystemClock(), url=url)


def test_the_current_version_is_read_and_a_pending_one_is_not(manager_url: str, manager: Any) -> None:
    manager.create_secret(Name="team/openai", SecretString="sk-one\n")
    source, reference = source_of(manager_url), SecretReference("aws-sm", "team/openai")
    first = source.read(reference)
    assert first.text == "sk-one"
    assert first.created_at is not None
    manager.put_secret_value(SecretId="team/openai", SecretString="sk-two", VersionStages=["AWSPENDING"])
    assert source.read(reference) == first
    assert source.read_stage(reference, "AWSPENDING").text == "sk-two"
    manager.put_secret_value(SecretId="team/openai", SecretString="sk-three")
    third = source.read(reference)
    assert third.text == "sk-three"
    assert third.version != first.version


def test_a_key_of_a_json_object_and_a_binary_secret_are_read(manager_url: str, manager: Any) -> None:
    manager.create_secret(Name="json", SecretString='{"openai": " sk-json ", "number": 5}')
    manager.create_secret(Name="binary", SecretBinary=b"sk-binary")
    source = source_of(manager_url)
    assert source.read(SecretReference("aws-sm", "json", "openai")).text == "sk-json"
    assert source.read(SecretReference("aws-sm", "binary")).text == "sk-binary"
    for key in ("other", "number"):
        with pytest.raises(SecretUnusable, match="no text under that key"):
            source.read(SecretReference("aws-sm", "json", key))


def test_a_secret_that_is_not_there_or_was_deleted_is_refused(manager_url: str, manager: Any) -> None:
    manager.create_secret(Name="deleted", SecretString="sk-gone")
    manager.delete_secret(SecretId="deleted")
    for name, reason in (("missing", "ResourceNotFoundException"), ("deleted", "Invalid")):
        with pytest.raises(SecretRefused, match=reason):
            source_of(manager_url).read(SecretReference("aws-sm", name))


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        ((400, b'{"__type": "ThrottlingException"}'), SecretSourceUnavailable),
        ((429, b"{}"), SecretSourceUnavailable),
        ((500, b'{"__type": "InternalServiceError"}'), SecretSourceUnavailable),
        ((400, b'{"__type": "com.amazonaws#AccessDeniedException"}'), SecretRefused),
        ((400, b"hidden"), SecretRefused),
        ((302, b""), SecretSourceUnavailable),
        ((200, b"hidden"), SecretSourceUnavailable),
        ((200, b'{"VersionId": "1", "SecretBinary": "hidden!"}'), SecretSourceUnavailable),
        ((200, b'{"VersionId": "1"}'), SecretUnusable),
    ],
)
def test_an_answer_without_a_secret_is_an_error(
    services: Services, answer: tuple[int, bytes], kind: type[SecretError]
) -> None:
    services.answer = answer
    with pytest.raises(kind) as refusal:
        source_of(services.url).read(SecretReference("aws-sm", "openai"))
    assert "hidden" not in str(refusal.value)
