"""`--openai-service-account` makes the new key; `--delete-old` deletes the old one when no gateway uses it any more."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from typer.testing import CliRunner, Result

from tests.harness import CHAT, World
from tests.secrets.managers import ENVIRON, client_of, running_manager, stages_of
from tidegate.cli.application import application
from tidegate.simulator import Options, running
from tidegate.storage.embedded import StoreUrls

ADMIN, FIRST = "sk-admin-0123456789", "sk-first-0123456789"
SHORT = {"refresh_seconds": 1.0}
CALLS = {"first_byte_seconds": 8.0, "total_seconds": 8.0, "allow_short_timeouts": True}
ACCOUNT = ("--openai-service-account", "tidegate", "--openai-project", "proj_simulator")


@pytest.fixture
def manager_url(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.chdir(tmp_path)
    for name, value in {**ENVIRON, "OPENAI_ADMIN_KEY": ADMIN}.items():
        monkeypatch.setenv(name, value)
    with running_manager() as url:
        client_of(url).create_secret(Name="openai", SecretString=FIRST)
        yield url


@pytest.fixture
def manager(manager_url: str) -> Any:
    return client_of(manager_url)


@pytest.fixture
async def world(clean_stores: StoreUrls, redis_prefix: str, tmp_path: Path, openai: str) -> AsyncIterator[World]:
    async with World(clean_stores, redis_prefix, openai, tmp_path) as world:
        yield world


@pytest.fixture
async def openai() -> AsyncIterator[str]:
    async with running(Options(api_key=FIRST, admin_key=ADMIN)) as base_url:
        yield base_url


async def rotate(world: World, manager_url: str, openai: str, *arguments: str, total_seconds: float = 8.0) -> Result:
    """Run the command beside the simulator, with the configuration of the gateway."""
    lines = [
        f'database_url = "{world.stores.database_url}"',
        f'redis_url = "{world.stores.redis_url}"',
        f'[redis]\nprefix = "{world.prefix}"',
        f'[upstream]\nbase_url = "{openai}"\napi_key = "aws-sm:openai"',
        f"total_seconds = {total_seconds}\nfirst_byte_seconds = {total_seconds}\nallow_short_timeouts = true",
        f'[secrets]\naws_url = "{manager_url}"\nrefresh_seconds = 1.0',
    ]
    await asyncio.to_thread(Path("tidegate.toml").write_text, "\n".join(lines))
    command = ["secrets", "rotate", "aws-sm:openai", *arguments]
    return await asyncio.to_thread(CliRunner().invoke, application("secrets"), command)


async def live_accounts(openai: str) -> list[str]:
    address = f"{openai}/organization/projects/proj_simulator/service_accounts"
    headers = {"authorization": f"Bearer {ADMIN}"}
    async with aiohttp.ClientSession() as http, http.get(address, headers=headers) as answer:
        return [one["id"] for one in (await answer.json())["data"]]


async def strike(openai: str, **faults: int) -> None:
    async with aiohttp.ClientSession() as http, http.post(f"{openai}/simulator/admin_faults", json=faults) as answer:
        assert answer.status == 200


async def test_the_key_of_a_new_account_becomes_current(
    world: World, manager_url: str, manager: Any, openai: str
) -> None:
    result = await rotate(world, manager_url, openai, *ACCOUNT, "--json")
    assert result.exit_code == 0, result.output
    done = json.loads(result.stdout)
    assert done["service_account"] in await live_accounts(openai)
    assert done["deleted_service_account"] == ""
    stages = stages_of(manager, "openai")
    assert stages["AWSPREVIOUS"] == FIRST
    assert stages["AWSCURRENT"].startswith("sk-svcacct-")
    for secret in (ADMIN, FIRST, stages["AWSCURRENT"]):
        assert secret not in result.output


async def test_the_old_account_is_deleted_when_the_gateway_uses_the_new_key(
    world: World, manager_url: str, openai: str
) -> None:
    changed = {"base_url": openai, "api_key": "aws-sm:openai", **CALLS}
    async with world.process(upstream=changed, secrets={"aws_url": manager_url, **SHORT}) as gateway:
        assert (await gateway.chat(CHAT)).status == 200
        command = asyncio.create_task(rotate(world, manager_url, openai, *ACCOUNT, "--delete-old"))
        answers = []
        while not command.done():
            answers.append((await gateway.chat(CHAT, cache_control="no-store")).status)
        result = await command
        assert result.exit_code == 0, result.output
        assert "svc_acct_0000, which had the old key, is deleted" in result.output
        assert set(answers) == {200}
        assert (await gateway.chat(CHAT, cache_control="no-store")).status == 200
    assert await live_accounts(openai) == ["svc_acct_0001"]


async def test_without_a_gateway_that_reports_the_old_account_stays(
    world: World, manager_url: str, manager: Any, openai: str
) -> None:
    result = await rotate(world, manager_url, openai, *ACCOUNT, "--delete-old", total_seconds=1.0)
    assert result.exit_code == 75
    assert "svc_acct_0000 was not deleted" in result.output
    assert await live_accounts(openai) == ["svc_acct_0000", "svc_acct_0001"]
    assert stages_of(manager, "openai")["AWSCURRENT"].startswith("sk-svcacct-"), "the new key is in use all the same"


@pytest.mark.parametrize(
    ("fault", "code"), [("dead_key", 1), ("no_key", 75), ("server_error", 75), ("project_archived", 78)]
)
async def test_a_key_that_cannot_be_used_leaves_neither_version_nor_account(
    world: World, manager_url: str, manager: Any, openai: str, fault: str, code: int
) -> None:
    await strike(openai, **{fault: 1})
    result = await rotate(world, manager_url, openai, *ACCOUNT)
    assert result.exit_code == code, result.output
    assert stages_of(manager, "openai") == {"AWSCURRENT": FIRST}
    assert await live_accounts(openai) == ["svc_acct_0000"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--delete-old",), "need --openai-service-account"),
        (("--openai-service-account", "tidegate"), "needs --openai-project"),
        ((*ACCOUNT, "--openai-admin-key", "sk-admin-typed"), "give the place of the admin key"),
        ((*ACCOUNT, "--openai-admin-key", "env:NOT_SET"), "missing or empty"),
        ((*ACCOUNT, "--openai-admin-key", "fil:NAME"), "did you mean"),
    ],
)
async def test_options_that_do_not_fit_change_nothing(
    world: World, manager_url: str, manager: Any, openai: str, arguments: tuple[str, ...], words: str
) -> None:
    result = await rotate(world, manager_url, openai, *arguments)
    assert result.exit_code == 78
    assert words in result.output
    assert "sk-admin-typed" not in result.output
    assert stages_of(manager, "openai") == {"AWSCURRENT": FIRST}


async def test_a_wrong_admin_key_is_refused(
    world: World, manager_url: str, openai: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_ADMIN_KEY", FIRST)
    result = await rotate(world, manager_url, openai, *ACCOUNT)
    assert result.exit_code == 78
    assert "refused with 401" in result.output
    assert await live_accounts(openai) == ["svc_acct_0000"]
