"""Google Secret Manager is read with the token of this machine, and every refusal names the reference and the cause."""

import pytest

from tests.secrets.fake_services import Services
from tidegate.core.clock import ManualClock
from tidegate.core.config.secret_errors import SecretError, SecretRefused, SecretSourceUnavailable, SecretUnusable
from tidegate.core.config.secret_reference import MAX_BYTES, SecretReference
from tidegate.secrets.sources.google import GoogleSource

NAME = "projects/shop-1/secrets/openai"
REFERENCE = SecretReference("gcp-sm", NAME)


@pytest.fixture
def source(services: Services) -> GoogleSource:
    return GoogleSource({"GCE_METADATA_HOST": services.host}, ManualClock(), url=services.url)


def test_the_newest_version_is_read_or_a_named_one(services: Services, source: GoogleSource) -> None:
    services.secrets[NAME] = [b"sk-one", b"sk-two\n"]
    newest = source.read(REFERENCE)
    assert (newest.text, newest.version) == ("sk-two", "2")
    assert source.read(SecretReference("gcp-sm", f"{NAME}/versions/1")).text == "sk-one"


def test_the_token_is_read_once_and_again_before_it_ends(services: Services) -> None:
    clock = ManualClock()
    source = GoogleSource({"GCE_METADATA_HOST": services.host}, clock, url=services.url)
    services.secrets[NAME] = [b"sk-one"]
    for _ in range(3):
        source.read(REFERENCE)
    assert services.calls["google token"] == 1
    clock.advance(3500.0)
    source.read(REFERENCE)
    assert services.calls["google token"] == 2


@pytest.mark.parametrize(
    ("answer", "kind", "words"),
    [
        ((403, b"{}"), SecretRefused, "403"),
        ((404, b"{}"), SecretRefused, "404"),
        ((302, b""), SecretSourceUnavailable, "302"),
        ((503, b"{}"), SecretSourceUnavailable, "503"),
        ((200, b"hidden"), SecretSourceUnavailable, "not what it documents"),
        ((200, b'{"name": "a/versions/1", "payload": {"data": "hidden!"}}'), SecretSourceUnavailable, "documents"),
        ((200, b"[" * 100_000), SecretSourceUnavailable, "not what it documents"),
        ((200, b"x" * 5 * MAX_BYTES), SecretSourceUnavailable, "more than"),
        ((200, b'{"name": "a/versions/1", "payload": {"data": ""}}'), SecretUnusable, "missing or empty"),
    ],
)
def test_an_answer_without_a_secret_is_an_error(
    services: Services, source: GoogleSource, answer: tuple[int, bytes], kind: type[SecretError], words: str
) -> None:
    services.answer = answer
    with pytest.raises(kind, match=words) as refusal:
        source.read(REFERENCE)
    assert "hidden" not in str(refusal.value)
    assert services.calls["secret"] == 1, "no redirect is followed"


def test_a_machine_without_a_service_account_is_told(services: Services) -> None:
    source = GoogleSource({"GCE_METADATA_HOST": "127.0.0.1:1"}, ManualClock(), url=services.url)
    with pytest.raises(SecretSourceUnavailable, match=r"127\.0\.0\.1:1 did not answer"):
        source.read(REFERENCE)
