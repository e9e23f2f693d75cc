"""The role of this machine is found as Amazon's own clients find it."""

from pathlib import Path

import pytest

from tests.secrets.fake_services import CONTAINER_TOKEN, Services
from tidegate.core.clock import ManualClock
from tidegate.core.config.secret_errors import SecretError, SecretRefused
from tidegate.secrets.sources.aws_role import AwsRole


def test_keys_in_the_environment_come_first(services: Services) -> None:
    environ = {"AWS_ACCESS_KEY_ID": "AKIA", "AWS_SECRET_ACCESS_KEY": "s", "AWS_SESSION_TOKEN": "t"}
    environ["AWS_CONTAINER_CREDENTIALS_FULL_URI"] = f"{services.url}/role"
    found = AwsRole(environ, ManualClock()).credentials()
    assert (found.access_key, found.secret_key, found.session_token) == ("AKIA", "s", "t")
    assert services.calls == {}


def test_a_container_s_role_is_read_once_until_it_is_about_to_end(services: Services, tmp_path: Path) -> None:
    (tmp_path / "token").write_text(f"{CONTAINER_TOKEN}\n")
    services.role_expires = "2026-09-21T15:00:00Z"
    clock = ManualClock()  # 2026-09-21 14:13:20
    environ = {
        "AWS_CONTAINER_CREDENTIALS_FULL_URI": f"{services.url}/role",
        "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": str(tmp_path / "token"),
    }
    role = AwsRole(environ, clock)
    assert [role.credentials().access_key for _ in range(3)] == ["AKIAROLE"] * 3
    assert services.calls["container role"] == 1
    clock.advance(2700.0)
    role.credentials()
    assert services.calls["container role"] == 2


def test_an_instance_s_role_is_read_with_its_token(services: Services) -> None:
    role = AwsRole({"AWS_EC2_METADATA_SERVICE_ENDPOINT": services.url}, ManualClock())
    assert role.credentials().session_token == "role-session"
    assert services.calls["instance"] == 3


@pytest.mark.parametrize(
    ("environ", "words"),
    [
        ({"AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://evil.example/role"}, "not this machine"),
        ({"AWS_CONTAINER_CREDENTIALS_FULL_URI": "{url}/role"}, "refused with 401"),
        (
            {"AWS_CONTAINER_CREDENTIALS_FULL_URI": "{url}/role", "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": "/none"},
            "cannot be read",
        ),
        ({"AWS_EC2_METADATA_SERVICE_ENDPOINT": "http://127.0.0.1:1"}, "did not answer"),
    ],
)
def test_a_machine_without_a_role_is_told(services: Services, environ: dict[str, str], words: str) -> None:
    role = AwsRole({name: value.format(url=services.url) for name, value in environ.items()}, ManualClock())
    with pytest.raises(SecretError, match=words):
        role.credentials()


@pytest.mark.parametrize(
    ("name", "environ", "expected"),
    [
        ("arn:aws:secretsmanager:eu-west-1:1:secret:x", {"AWS_REGION": "us-east-1"}, "eu-west-1"),
        ("openai", {"AWS_REGION": "us-east-1"}, "us-east-1"),
        ("openai", {"AWS_DEFAULT_REGION": "us-gov-west-1"}, "us-gov-west-1"),
    ],
)
def test_the_region_is_that_of_the_name_or_the_environment(name: str, environ: dict[str, str], expected: str) -> None:
    assert AwsRole(environ, ManualClock()).region(name) == expected


@pytest.mark.parametrize("region", ["", "evil.example/", "us east"])
def test_a_region_that_is_none_is_told(region: str) -> None:
    with pytest.raises(SecretRefused, match="AWS_REGION"):
        AwsRole({"AWS_REGION": region}, ManualClock()).region("openai")
