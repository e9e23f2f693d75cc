"""A new value becomes current in a real Secrets Manager (`moto_server`) only if it is good; else nothing has moved."""

import json
import secrets
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import pytest

from tests.secrets.managers import ENVIRON, client_of, running_manager, stages_of
from tidegate.core.clock import SystemClock
from tidegate.core.config.secret_errors import SecretError, SecretRefused, SecretSourceUnavailable, SecretUnusable
from tidegate.core.config.secret_reference import SecretReference
from tidegate.secrets.rotation import (
    NewSecretRefused,
    RotatedSecret,
    RotationInProgress,
    RotationUncertain,
    rotate_secret,
)
from tidegate.secrets.sources.aws import AwsSource
from tidegate.secrets.sources.aws_versions import AwsVersions
from tidegate.secrets.sources.reading import fingerprint

_Document = TypeVar("_Document")


class FailingSource(AwsSource):
    """The source, whose calls of one action fail; with `after`, the service has done what it was asked all the same."""

    def __init__(self, url: str, action: str = "", *, after: bool = False, stage: str = "", times: int = 100) -> None:
        super().__init__(ENVIRON, SystemClock(), url=url)
        self._action, self._after, self._stage, self._times = action, after, stage, times

    def call(self, action: str, secret_name: str, fields: Any, kind: type[_Document]) -> _Document:
        fails = action == self._action and self._stage in str(fields) and self._times > 0
        if fails and not self._after:
            self._times -= 1
            raise SecretSourceUnavailable("Secrets Manager did not answer.")
        document = super().call(action, secret_name, fields, kind)
        if fails:
            self._times -= 1
            raise SecretSourceUnavailable("Secrets Manager did not answer.")
        return document


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with running_manager() as url:
        yield url


@pytest.fixture
def manager(url: str) -> Any:
    return client_of(url)


@pytest.fixture
def name(manager: Any) -> str:
    name = f"team/{secrets.token_hex(4)}"
    manager.create_secret(Name=name, SecretString="sk-one")
    return name


def good() -> None:
    """The new value is accepted."""


def bad() -> None:
    raise NewSecretRefused("The new value is refused.")


def broken_off() -> None:
    raise KeyboardInterrupt


def rotated(
    source: AwsSource, name: str, test: Callable[[], None] = good, *, key: str = "", discard: bool = False
) -> RotatedSecret:
    """Rotate the secret to `sk-two`."""
    reference = SecretReference("aws-sm", name, key)
    return rotate_secret(AwsVersions(source, name), reference, "sk-two", test, discard_pending=discard)


def test_a_good_value_becomes_current_and_nothing_stays_pending(url: str, manager: Any, name: str) -> None:
    seen: list[dict[str, str]] = []
    done = rotated(FailingSource(url), name, lambda: seen.append(stages_of(manager, name)))
    assert seen == [{"AWSCURRENT": "sk-one", "AWSPENDING": "sk-two"}], "it is tested before it is current"
    assert stages_of(manager, name) == {"AWSCURRENT": "sk-two", "AWSPREVIOUS": "sk-one"}
    assert done.version == manager.get_secret_value(SecretId=name, VersionStage="AWSCURRENT")["VersionId"]
    assert (done.fingerprint, done.warning) == (fingerprint("sk-two"), "")


@pytest.mark.parametrize(("test", "error"), [(bad, NewSecretRefused), (broken_off, KeyboardInterrupt)])
def test_a_value_that_is_refused_leaves_nothing_behind(
    url: str, manager: Any, name: str, test: Callable[[], None], error: type[BaseException]
) -> None:
    with pytest.raises(error):
        rotated(FailingSource(url), name, test)
    assert stages_of(manager, name) == {"AWSCURRENT": "sk-one"}


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("action", ["GetSecretValue", "DescribeSecret", "PutSecretValue"])
def test_a_service_that_does_not_answer_has_moved_nothing(
    url: str, manager: Any, name: str, action: str, after: bool
) -> None:
    with pytest.raises(SecretSourceUnavailable):
        rotated(FailingSource(url, action, after=after, times=1), name)
    assert stages_of(manager, name) == {"AWSCURRENT": "sk-one"}


def test_a_move_that_was_not_made_is_cleaned_away(url: str, manager: Any, name: str) -> None:
    with pytest.raises(SecretSourceUnavailable):
        rotated(FailingSource(url, "UpdateSecretVersionStage", stage="AWSCURRENT"), name)
    assert stages_of(manager, name) == {"AWSCURRENT": "sk-one"}


def test_a_move_whose_answer_was_lost_has_happened(url: str, manager: Any, name: str) -> None:
    rotated(FailingSource(url, "UpdateSecretVersionStage", stage="AWSCURRENT", after=True), name)
    assert stages_of(manager, name) == {"AWSCURRENT": "sk-two", "AWSPREVIOUS": "sk-one"}


def test_a_move_that_cannot_be_looked_at_is_told_as_uncertain(url: str, name: str) -> None:
    class Silent(FailingSource):
        def call(self, action: str, secret_name: str, fields: Any, kind: type[_Document]) -> _Document:
            if action == "UpdateSecretVersionStage":
                self._action, self._stage = "DescribeSecret", ""
                raise SecretSourceUnavailable("Secrets Manager did not answer.")
            return super().call(action, secret_name, fields, kind)

    with pytest.raises(RotationUncertain, match="not known whether"):
        rotated(Silent(url), name)


def test_a_label_that_stays_is_a_warning_and_hinders_no_later_rotation(url: str, manager: Any, name: str) -> None:
    done = rotated(FailingSource(url, "UpdateSecretVersionStage", stage="AWSPENDING"), name)
    assert "AWSPENDING may still be" in done.warning
    assert stages_of(manager, name)["AWSCURRENT"] == "sk-two"
    reference = SecretReference("aws-sm", name)
    rotate_secret(AwsVersions(FailingSource(url), name), reference, "sk-three", good)
    assert stages_of(manager, name) == {"AWSCURRENT": "sk-three", "AWSPREVIOUS": "sk-two"}


def test_a_second_rotation_is_refused_until_the_first_is_given_up(url: str, manager: Any, name: str) -> None:
    manager.put_secret_value(SecretId=name, SecretString="sk-other", VersionStages=["AWSPENDING"])
    with pytest.raises(RotationInProgress, match="--discard-pending"):
        rotated(FailingSource(url), name)
    assert stages_of(manager, name) == {"AWSCURRENT": "sk-one", "AWSPENDING": "sk-other"}
    rotated(FailingSource(url), name, discard=True)
    assert stages_of(manager, name) == {"AWSCURRENT": "sk-two", "AWSPREVIOUS": "sk-one"}


def test_a_change_by_another_hand_during_the_test_is_kept(url: str, manager: Any, name: str) -> None:
    with pytest.raises(SecretError):
        rotated(FailingSource(url), name, lambda: manager.put_secret_value(SecretId=name, SecretString="sk-theirs"))
    assert stages_of(manager, name) == {"AWSCURRENT": "sk-theirs", "AWSPREVIOUS": "sk-one"}


def test_one_member_of_a_json_object_is_replaced_and_the_others_stay(url: str, manager: Any, name: str) -> None:
    manager.put_secret_value(SecretId=name, SecretString='{"openai": "sk-one", "port": 5, "other": {"a": [1.50]}}')
    rotated(FailingSource(url), name, key="openai")
    text = stages_of(manager, name)["AWSCURRENT"]
    assert json.loads(text) == {"openai": "sk-two", "port": 5, "other": {"a": [1.5]}}
    assert "1.50" in text


@pytest.mark.parametrize(
    ("content", "key", "error", "reason"),
    [
        ("sk-two", "", SecretUnusable, "has this value already"),
        ('{"openai": "sk-two"}', "openai", SecretUnusable, "has this value already"),
        ('{"other": "sk-one"}', "openai", SecretUnusable, "no text under that key"),
        (f'{{"openai":"s","large":"{"x" * 65_508}"}}', "openai", SecretUnusable, "larger than"),
        ("sk-one", "openai", SecretUnusable, "does not hold a JSON object"),
    ],
)
def test_what_cannot_be_stored_is_refused_before_anything_is(
    url: str, manager: Any, name: str, content: str, key: str, error: type[SecretError], reason: str
) -> None:
    manager.put_secret_value(SecretId=name, SecretString=content)
    with pytest.raises(error, match=reason):
        rotated(FailingSource(url), name, key=key)
    assert stages_of(manager, name)["AWSCURRENT"] == content
    assert "AWSPENDING" not in stages_of(manager, name)


def test_a_secret_that_does_not_exist_is_refused(url: str) -> None:
    with pytest.raises(SecretRefused, match="ResourceNotFoundException"):
        rotated(FailingSource(url), "missing")
