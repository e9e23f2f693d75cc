"""OpenAI's administration API, as the simulator speaks it: accounts are made and deleted, and an old key is found."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import aiohttp
import pytest

from tidegate.core.config.secret_errors import SecretError, SecretRefused, SecretSourceUnavailable
from tidegate.secrets.openai_accounts import OldKeyUnknown, ProjectKey, ServiceAccounts
from tidegate.simulator import Options, running

ADMIN, FIRST = "sk-admin-0123456789", "sk-first-0123456789"


@pytest.fixture
async def base_url() -> AsyncIterator[str]:
    async with running(Options(api_key=FIRST, admin_key=ADMIN)) as base_url:
        yield base_url


@pytest.fixture
def accounts(base_url: str) -> ServiceAccounts:
    return ServiceAccounts(base_url, "proj_simulator", ADMIN)


async def beside(call: Callable[..., Any], *arguments: Any) -> Any:
    """Call what blocks in a thread, beside the simulator."""
    return await asyncio.to_thread(call, *arguments)


async def strike(base_url: str, **faults: int) -> None:
    async with aiohttp.ClientSession() as http, http.post(f"{base_url}/simulator/admin_faults", json=faults) as answer:
        assert answer.status == 200


async def test_an_account_is_made_found_by_its_key_and_deleted(accounts: ServiceAccounts) -> None:
    made = await beside(accounts.create, "tidegate")
    assert made.key not in repr(made)
    found = await beside(accounts.key_of, made.key)
    assert found.account == made.account
    assert await beside(accounts.last_used_at, found.id) is None
    await beside(accounts.delete, made.account)
    with pytest.raises(OldKeyUnknown, match="fits 0 service accounts"):
        await beside(accounts.key_of, made.key)


async def test_a_key_that_is_not_certain_is_none(accounts: ServiceAccounts) -> None:
    with pytest.raises(OldKeyUnknown, match="Nothing was changed"):
        await beside(accounts.key_of, "sk-another-0123456780")


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ("server_error", SecretSourceUnavailable),
        ("project_archived", SecretRefused),
        ("no_key", SecretSourceUnavailable),
    ],
)
async def test_an_account_that_is_not_made_is_an_error_and_leaves_nothing(
    base_url: str, accounts: ServiceAccounts, fault: str, error: type[SecretError]
) -> None:
    await strike(base_url, **{fault: 1})
    with pytest.raises(error):
        await beside(accounts.create, "tidegate")
    assert (await beside(accounts.key_of, FIRST)).account == "svc_acct_0000"


async def test_a_wrong_admin_key_and_a_deletion_that_was_not_made(base_url: str, accounts: ServiceAccounts) -> None:
    with pytest.raises(SecretRefused, match="refused with 401"):
        await beside(ServiceAccounts(base_url, "proj_simulator", FIRST).create, "tidegate")
    await strike(base_url, not_deleted=1)
    with pytest.raises(SecretSourceUnavailable, match="did not delete"):
        await beside(accounts.delete, "svc_acct_0000")


@pytest.mark.parametrize(
    ("redacted", "is_of"),
    [
        ("sk-first...6789", True),
        ("sk-fi********789", True),
        ("sk-f…456789", True),
        ("sk-other...6789", False),
        ("sk-first...0000", False),
        ("sk-first-0123456789", False),
        ("...", False),
        ("sk-first...9", False),
        ("", False),
    ],
)
def test_a_key_is_recognised_by_its_beginning_and_its_end(redacted: str, is_of: bool) -> None:
    owner: Any = None
    assert ProjectKey(id="key_1", redacted_value=redacted, owner=owner).is_of(FIRST) is is_of
