"""`tidegate secrets check` says how each secret is, never what it is, and exits with 1 if one cannot be used."""

import asyncio
import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from tests.gateway.keyed_upstream import KeyedUpstream
from tests.secrets.fake_services import Services, running_services
from tidegate.cli.application import application

KEY, BAD = "sk-one-0123456789", "sk-bad-0123456789"
NAME = "projects/shop-1/secrets/openai"


@pytest.fixture
def app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> typer.Typer:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "250")
    return application("secrets")


def write(name: str, text: str) -> None:
    """Write a file of the working directory."""
    Path(name).write_text(text)


async def checked(app: typer.Typer, upstream: KeyedUpstream, text: str, *arguments: str) -> tuple[int, str]:
    """Run the command in a thread, beside the upstream; return its exit code and output."""
    write("tidegate.toml", text.replace("UPSTREAM", upstream.base_url))
    result = await asyncio.to_thread(CliRunner().invoke, app, ["secrets", "check", *arguments])
    return result.exit_code, result.output


TOML = """
database_url = "postgresql://u:hidden-password@base/x"
[upstream]
base_url = "UPSTREAM"
api_key = "file:key"
"""


async def test_secrets_that_can_be_used(app: typer.Typer) -> None:
    write("key", KEY)
    async with KeyedUpstream(KEY).serving() as upstream:
        code, output = await checked(app, upstream, TOML)
    assert code == 0, output
    assert "upstream.api_key" in output
    assert "file:key" in output
    assert "the provider accepts it" in output
    assert "the configuration itself" in output
    assert KEY not in output
    assert "hidden" not in output


@pytest.mark.parametrize(("content", "word"), [(BAD, "the provider refuses it"), ("", "missing or empty")])
async def test_a_key_that_cannot_be_used_is_told_and_the_exit_code_is_1(
    app: typer.Typer, content: str, word: str
) -> None:
    write("key", content)
    async with KeyedUpstream(KEY).serving() as upstream:
        code, output = await checked(app, upstream, TOML)
    assert code == 1
    assert word in output
    assert BAD not in output


async def test_the_json_has_the_version_of_a_service(app: typer.Typer, monkeypatch: pytest.MonkeyPatch) -> None:
    def toml_of(services: Services) -> str:
        monkeypatch.setenv("GCE_METADATA_HOST", services.host)
        services.secrets[NAME] = [b"sk-zero", KEY.encode()]
        return (
            f'[upstream]\nbase_url = "UPSTREAM"\napi_key = "gcp-sm:{NAME}"\n[secrets]\ngoogle_url = "{services.url}"\n'
        )

    with running_services() as services:
        async with KeyedUpstream(KEY).serving() as upstream:
            code, output = await checked(app, upstream, toml_of(services), "--json")
    assert code == 0, output
    (row,) = [row for row in json.loads(output) if row["setting"] == "upstream.api_key"]
    assert (row["setting"], row["version"], row["probe"]) == ("upstream.api_key", "2", "good")
    assert KEY not in output
