"""What is configured is shown with what the replicas know of it; an operator takes credentials out and back."""

import pytest
from structlog.testing import capture_logs

from tests.eventually import wait_until
from tests.routing.health_registries import registry_on
from tidegate.core import errors
from tidegate.core.clock import ManualClock
from tidegate.core.errors import CredentialNotFound
from tidegate.providers.base import Credential
from tidegate.providers.target import Target
from tidegate.queue.messages import CapacityReport, Granted, LaneLimits, QueueEntry, QueueRejected
from tidegate.queue.store import CapacityStore
from tidegate.routing.health.credential_state import CredentialStatus
from tidegate.routing.health.report import HealthEntry, HealthReport
from tidegate.routing.health.store import HealthStore
from tidegate.storage.redis import RedisLink

HERE, KEY = Target("openai", "m"), Credential(name="main")


@pytest.fixture
def report(redis_link: RedisLink, redis_prefix: str, clock: ManualClock) -> HealthReport:
    store = HealthStore(redis_link, prefix=redis_prefix)
    known = {"openai": ["main", "spare"], "azure": ["default"]}
    lanes = CapacityStore(redis_link, prefix=redis_prefix, lane_limits=lambda _: LaneLimits())
    targets = ["openai/m", "azure/eu", "openai/m"]
    return HealthReport(store, targets=targets, credentials=known, clock=clock, end_waits=lanes.end_waits)


async def test_what_nobody_complained_of_is_well(report: HealthReport) -> None:
    shown = await report.read()
    assert [(one.name, one.state, one.since) for one in (*shown.targets, *shown.credentials)] == [
        ("openai/m", "closed", None),
        ("azure/eu", "closed", None),
        ("openai/main", "healthy", None),
        ("openai/spare", "healthy", None),
        ("azure/default", "healthy", None),
    ]


async def test_what_is_not_well_says_since_when_and_why(
    report: HealthReport, redis_link: RedisLink, redis_prefix: str, clock: ManualClock
) -> None:
    async with registry_on(redis_link, redis_prefix, clock, failure_threshold=1) as board:
        board.note_failure(HERE, KEY, errors.InsufficientQuota("No credit."))
        board.note_failure(Target("openai", "unlisted"), KEY, errors.UpstreamServerError("Broken."))
        await wait_until(lambda: not board.is_publishing)
        shown = await report.read()
        assert report.read_local(board) == shown
    assert shown.credentials[0] == HealthEntry(
        name="openai/main", state="out_of_quota", since=clock.now(), error="insufficient_quota", message="No credit."
    )
    assert [(one.name, one.state, one.error) for one in shown.targets if one.error] == [
        ("openai/unlisted", "open", "server_error")
    ]


async def test_a_rate_limit_is_told_until_it_is_over(
    report: HealthReport, redis_link: RedisLink, redis_prefix: str, clock: ManualClock
) -> None:
    async with registry_on(redis_link, redis_prefix, clock) as board:
        board.note_failure(HERE, KEY, errors.UpstreamRateLimited("Too fast.", retry_after=20.0))
        board.note_failure(Target("openai", "n/2"), KEY, errors.UpstreamRateLimited("Too fast.", retry_after=30.0))
        await wait_until(lambda: not board.is_publishing)
        for shown in (await report.read(), report.read_local(board)):
            assert shown.credentials[:2] == (
                HealthEntry(
                    name="openai/main",
                    state="limited",
                    until=clock.now() + 30,
                    error="upstream_rate_limited",
                    message="The upstream accepts no more calls for m and 1 more for now.",
                ),
                HealthEntry(name="openai/spare", state="healthy"),
            )
        clock.advance(20.5)
        assert (await report.read()).credentials[0].message == report.read_local(board).credentials[0].message != ""
        clock.advance(10)
        assert (await report.read()).credentials[0] == HealthEntry(name="openai/main", state="healthy")
        assert report.read_local(board).credentials[0] == HealthEntry(name="openai/main", state="healthy")


async def test_what_takes_a_credential_out_says_more_than_its_limit(
    report: HealthReport, redis_link: RedisLink, redis_prefix: str, clock: ManualClock
) -> None:
    async with registry_on(redis_link, redis_prefix, clock) as board:
        board.note_failure(HERE, KEY, errors.UpstreamRateLimited("Too fast.", retry_after=20.0))
        board.note_failure(HERE, KEY, errors.InsufficientQuota("No credit."))
        await wait_until(lambda: not board.is_publishing)
        assert (await report.read()).credentials[0].state == "out_of_quota"


async def test_an_operator_takes_a_credential_out_and_back_in_all_replicas(
    report: HealthReport, redis_link: RedisLink, redis_prefix: str, clock: ManualClock
) -> None:
    async with registry_on(redis_link, redis_prefix, clock) as board:
        with capture_logs() as logs:
            assert (await report.suspend("openai/main")).state == "suspended"
            await wait_until(lambda: board.snapshot.credential(HERE, KEY).status is CredentialStatus.SUSPENDED)
            board.note_failure(HERE, KEY, errors.InsufficientQuota())
            assert board.snapshot.credential(HERE, KEY).status is CredentialStatus.SUSPENDED
            assert (await report.resume("openai/main")).state == "healthy"
            await wait_until(lambda: board.snapshot.credential(HERE, KEY).status is CredentialStatus.HEALTHY)
    assert [line["change"] for line in logs if "change" in line] == ["credential_out", "credential_back"]


async def test_a_resumed_credential_waits_for_no_rate_limit(
    report: HealthReport, redis_link: RedisLink, redis_prefix: str, clock: ManualClock
) -> None:
    lanes = CapacityStore(redis_link, prefix=redis_prefix, lane_limits=lambda _: LaneLimits())
    told = CapacityReport(answered=1, rejection_kind="requests", retry_after=3600.0)
    entry = QueueEntry(member="p:1", tokens=1, flow="harbour", weight=4, deadline=clock.now() + 60)
    async with registry_on(redis_link, redis_prefix, clock) as board:
        board.note_failure(HERE, KEY, errors.UpstreamRateLimited("Too fast.", retry_after=3600.0))
        board.note_failure(HERE, Credential(name="spare"), errors.UpstreamRateLimited("Too fast.", retry_after=3600.0))
        for lane in ("openai/main/m", "openai/main/n", "openai/spare/m"):
            await lanes.learn(lane, told, clock.now())
            assert isinstance(await lanes.enter(lane, entry, clock.now()), QueueRejected)
        await wait_until(lambda: not board.is_publishing)
        assert (await report.resume("openai/main")).state == "healthy"
        await wait_until(lambda: board.snapshot.credential(HERE, KEY).status is CredentialStatus.HEALTHY)
        assert isinstance(await lanes.enter("openai/main/m", entry, clock.now()), Granted)
        assert isinstance(await lanes.enter("openai/main/n", entry, clock.now()), Granted)
        assert isinstance(await lanes.enter("openai/spare/m", entry, clock.now()), QueueRejected)
        shown = await report.read()
        assert [one.state for one in shown.credentials[:2]] == ["healthy", "limited"]


async def test_a_credential_that_nobody_configured_is_refused(report: HealthReport) -> None:
    with pytest.raises(CredentialNotFound, match=r"openai/main, openai/spare, azure/default"):
        await report.suspend("openai/other")
