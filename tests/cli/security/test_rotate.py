"""`tidegate secrets rotate` moves a secret of a real Secrets Manager to a value that was tested where it is used."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from tests.gateway.keyed_upstream import KeyedUpstream
from tests.secrets.managers import ENVIRON, client_of, running_manager, stages_of
from tidegate.cli.application import application
from tidegate.storage.embedded import StoreUrls

ONE, TWO, BAD = "sk-one-0123456789", "sk-two-0123456789", "sk-bad-0123456789"


@pytest.fixture
def url(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.chdir(tmp_path)
    for name, value in ENVIRON.items():
        monkeypatch.setenv(name, value)
    with running_manager() as url:
        client_of(url).create_secret(Name="openai", SecretString=ONE)
        yield url


@pytest.fixture
def manager(url: str) -> Any:
    return client_of(url)


def rotate(url: str, value: str, setting: str, *arguments: str, place: str = "aws-sm:openai") -> Result:
    """Run the command with a configuration that has `setting` and the service's address."""
    Path("tidegate.toml").write_text(f'{setting}\n[secrets]\naws_url = "{url}"\n')
    return CliRunner().invoke(application("secrets"), ["secrets", "rotate", place, *arguments], input=value)


def of_upstream(base_url: str) -> str:
    return f'[upstream]\nbase_url = "{base_url}"\napi_key = "aws-sm:openai"'


async def rotate_key(url: str, upstream: KeyedUpstream, value: str, *arguments: str) -> Result:
    """Run the command beside the upstream."""
    return await asyncio.to_thread(rotate, url, value, of_upstream(upstream.base_url), *arguments)


async def test_a_good_key_is_probed_and_then_current(url: str, manager: Any) -> None:
    async with KeyedUpstream(ONE, TWO).serving() as upstream:
        result = await rotate_key(url, upstream, f"{TWO}\n", "--json")
    assert result.exit_code == 0, result.output
    done = json.loads(result.stdout)["secret"]
    assert done["reference"] == "aws-sm:openai"
    assert done["version"] != done["previous_version"]
    assert stages_of(manager, "openai") == {"AWSCURRENT": TWO, "AWSPREVIOUS": ONE}
    assert upstream.probes == {TWO: 1}
    assert TWO not in result.output


async def test_the_text_for_people_names_both_versions_and_no_value(url: str) -> None:
    async with KeyedUpstream(ONE, TWO).serving() as upstream:
        result = await rotate_key(url, upstream, TWO)
    assert "is current" in result.output
    assert "was before" in result.output
    assert TWO not in result.output


async def test_a_key_that_the_provider_refuses_moves_nothing(url: str, manager: Any) -> None:
    async with KeyedUpstream(ONE).serving() as upstream:
        result = await rotate_key(url, upstream, BAD)
    assert result.exit_code == 1
    assert "cannot be used as upstream.api_key" in result.output
    assert stages_of(manager, "openai") == {"AWSCURRENT": ONE}
    assert BAD not in result.output


def test_a_provider_that_does_not_answer_moves_nothing_and_a_later_try_may_succeed(url: str, manager: Any) -> None:
    result = rotate(url, TWO, of_upstream("http://127.0.0.1:9/v1"))
    assert result.exit_code == 75
    assert "did not answer" in result.output
    assert stages_of(manager, "openai") == {"AWSCURRENT": ONE}


@pytest.mark.parametrize("setting", ["database_url", "redis_url"])
def test_the_address_of_a_store_is_connected_to(url: str, manager: Any, clean_stores: StoreUrls, setting: str) -> None:
    good = getattr(clean_stores, setting)
    for value in (f"{setting.removesuffix('_url')}://u:secret@127.0.0.1:9/0", "no-address", "redis://u:p@[::1/x"):
        result = rotate(url, value, f'{setting} = "aws-sm:openai"')
        assert result.exit_code == 1, result.output
        assert f"cannot be used as {setting}" in result.output
    assert stages_of(manager, "openai") == {"AWSCURRENT": ONE}
    result = rotate(url, good, f'{setting} = "aws-sm:openai"')
    assert result.exit_code == 0, result.output
    assert stages_of(manager, "openai")["AWSCURRENT"] == good


@pytest.mark.parametrize(
    ("place", "value", "code", "words"),
    [
        ("aws-sm:other", TWO, 78, "no setting refers to it"),
        ("gcp-sm:projects/p/secrets/s", TWO, 78, "only secrets of Amazon Secrets Manager"),
        ("azure-kv:v/n", TWO, 78, "only secrets of Amazon Secrets Manager"),
        ("aws-sm:a b", TWO, 78, "it is no place of a secret"),
        ("aws-sm:openai", "", 78, "missing or empty"),
        ("aws-sm:openai", "x" * 70_000, 78, "larger than"),
        ("aws-sm:openai", "sk-two\x07", 78, "cannot be printed"),
        ("aws-sm:openai", ONE, 78, "has this value already"),
    ],
)
def test_bad_input_is_an_error_with_its_cause(
    url: str, manager: Any, place: str, value: str, code: int, words: str
) -> None:
    result = rotate(url, value, of_upstream("http://127.0.0.1:9/v1"), place=place)
    assert result.exit_code == code, result.output
    assert words in result.output
    assert stages_of(manager, "openai") == {"AWSCURRENT": ONE}


@pytest.mark.usefixtures("url")
def test_a_service_that_does_not_answer_is_told() -> None:
    result = rotate("http://127.0.0.1:9", TWO, of_upstream("http://127.0.0.1:9/v1"))
    assert result.exit_code == 75
    assert "did not answer" in result.output
