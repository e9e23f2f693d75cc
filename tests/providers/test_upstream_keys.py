"""A new key is probed before it is used; a bad one is not used, and one that could not be probed waits."""

import pytest
from pydantic import SecretStr

from tests.routing.fake_provider import FakeProvider
from tidegate.core.clock import ManualClock
from tidegate.core.errors import (
    ConnectionFailed,
    InvalidUpstreamKey,
    OrganizationMismatch,
    TidegateError,
    UpstreamErrorDetail,
    UpstreamForbidden,
    UpstreamNotFound,
    UpstreamRateLimited,
    UpstreamServerError,
)
from tidegate.providers.upstream_keys import KeyVerdict, UpstreamKeys

KEY = SecretStr("sk-two")
NO_LIST = UpstreamErrorDetail(status=403, message="Missing scopes: api.model.read")


@pytest.fixture
def openai() -> FakeProvider:
    return FakeProvider("openai", "main")


@pytest.fixture
def turned() -> list[tuple[str, str]]:
    return []


@pytest.fixture
def keys(openai: FakeProvider, turned: list[tuple[str, str]]) -> UpstreamKeys:
    return UpstreamKeys({"openai": openai}, ManualClock(), on_turned=lambda *names: turned.append(names))


@pytest.mark.parametrize(
    ("said", "verdict"),
    [
        (None, KeyVerdict.GOOD),
        (UpstreamForbidden(upstream_detail=NO_LIST), KeyVerdict.GOOD),
        (UpstreamNotFound(), KeyVerdict.GOOD),
        (InvalidUpstreamKey(), KeyVerdict.REFUSED),
        (OrganizationMismatch(), KeyVerdict.REFUSED),
        (UpstreamForbidden(upstream_detail=UpstreamErrorDetail(status=403)), KeyVerdict.REFUSED),
        (ConnectionFailed(), KeyVerdict.UNKNOWN),
        (UpstreamServerError(), KeyVerdict.UNKNOWN),
        (UpstreamRateLimited(), KeyVerdict.UNKNOWN),
    ],
)
async def test_what_the_probe_says_decides(
    keys: UpstreamKeys,
    openai: FakeProvider,
    turned: list[tuple[str, str]],
    said: TidegateError | None,
    verdict: KeyVerdict,
) -> None:
    openai.probe_results = [said]
    assert await keys.offer("openai", "main", KEY) is verdict
    is_used = verdict is KeyVerdict.GOOD
    assert openai.used_keys == ([("main", "sk-two")] if is_used else [])
    assert turned == ([("openai", "main")] if is_used else [])


async def test_a_refused_call_is_sent_again_where_its_key_has_just_turned(
    keys: UpstreamKeys, openai: FakeProvider
) -> None:
    openai.probe_results = [None]
    assert not await openai.on_refused_key("main")
    await keys.offer("openai", "main", KEY)
    assert await openai.on_refused_key("main")


async def test_a_refused_call_has_its_key_read_again(keys: UpstreamKeys, openai: FakeProvider) -> None:
    openai.probe_results = [None]
    reads: list[str] = []

    async def refresh() -> bool:
        reads.append("main")
        return await keys.offer("openai", "main", KEY) is KeyVerdict.GOOD

    keys.set_refresher("openai", "main", refresh)
    assert await openai.on_refused_key("main")
    assert reads == ["main"]
