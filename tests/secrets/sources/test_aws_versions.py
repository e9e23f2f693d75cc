"""Labels move between the versions of a secret, and only away from the version that was current before."""

from collections.abc import Iterator
from uuid import uuid4

import pytest

from tests.secrets.managers import ENVIRON, client_of, running_manager, stages_of
from tidegate.core.clock import SystemClock
from tidegate.core.config.secret_errors import SecretRefused
from tidegate.secrets.sources.aws import AwsSource
from tidegate.secrets.sources.aws_versions import AwsVersions


@pytest.fixture
def url() -> Iterator[str]:
    with running_manager() as url:
        client_of(url).create_secret(Name="openai", SecretString="one")
        yield url


def test_a_pending_version_becomes_current(url: str) -> None:
    versions, new = AwsVersions(AwsSource(ENVIRON, SystemClock(), url=url), "openai"), str(uuid4())
    old = versions.current()
    assert old.content == b"one"
    versions.put_pending(new, "two")
    assert versions.by_stage() == {"AWSCURRENT": old.version, "AWSPENDING": new}
    versions.make_current(new, instead_of=old.version)
    versions.drop_pending(new)
    assert stages_of(client_of(url), "openai") == {"AWSCURRENT": "two", "AWSPREVIOUS": "one"}
    with pytest.raises(SecretRefused):
        versions.make_current(old.version, instead_of=old.version)
    assert "two" not in repr(versions.current())
