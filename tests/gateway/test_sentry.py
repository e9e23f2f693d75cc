"""A whole gateway with Sentry: errors, a credential that is out and alerts arrive, and nothing of a call does."""

import contextlib
from collections.abc import Iterator
from typing import Any

import pytest

from tests.eventually import wait_until
from tests.harness import Gateway, Json, World, ask
from tests.monitoring.sentry.servers import FakeSentry, fake_sentry
from tidegate.core.call_report import CallReport

PROMPT = "canary-of-the-prompt-41f0"
HEADER = "canary-of-the-header-9b2d"


class FailingObserver:
    """An observer with a defect; its error and its variables hold what it was given."""

    def observe(self, report: CallReport) -> None:
        """Fail."""
        held = [PROMPT, HEADER, report]
        raise ZeroDivisionError(f"it held {held}")


@pytest.fixture
def sentry() -> Iterator[FakeSentry]:
    with fake_sentry() as server:
        yield server


def settings(sentry: FakeSentry) -> dict[str, Any]:
    return {"sentry": {"dsn": sentry.dsn}, "alerts": {"sentry": True}}


def names(sentry: FakeSentry) -> list[str]:
    return [event["tags"]["tidegate.name"] for event in sentry.events]


async def post_admin(world: World, gateway: Gateway, path: str) -> Json:
    token = (await world.keys.create(project="operators", admin=True)).token
    headers = {"authorization": f"Bearer {token}"}
    async with world.http.post(f"{gateway.root}/admin/v1{path}", headers=headers) as response:
        assert response.status == 200
        document: Json = await response.json()
        return document


async def metrics(world: World, gateway: Gateway) -> str:
    token = (await world.keys.create(project="operators", admin=True)).token
    async with world.http.get(f"{gateway.root}/metrics", headers={"authorization": f"Bearer {token}"}) as response:
        return await response.text()


async def test_a_defect_arrives_and_nothing_of_the_call(world: World, sentry: FakeSentry) -> None:
    async with world.gateway(observers=[FailingObserver()], **settings(sentry)) as gateway:
        answer = await gateway.chat(ask(PROMPT), x_client_request_id=HEADER)
        assert answer.status == 200
        await wait_until(lambda: len(sentry.events) == 1)
    [event] = sentry.events
    assert event["exception"]["values"][-1]["type"] == "ZeroDivisionError"
    assert event["fingerprint"][-1] == f"{__name__}.FailingObserver.observe"
    for canary in (PROMPT, HEADER, world.key, world.key[-8:]):
        assert canary.encode() not in sentry.everything


async def test_a_credential_that_is_out_is_named(world: World, sentry: FakeSentry) -> None:
    async with world.gateway(**settings(sentry)) as gateway:
        await world.set_faults(invalid_key=1.0)
        answer = await gateway.chat(ask(PROMPT))
        assert answer.status >= 400
        await wait_until(lambda: "credential_out" in names(sentry))
        await world.set_faults(invalid_key=0.0)
    [event] = [each for each in sentry.events if each["tags"]["tidegate.name"] == "credential_out"]
    assert event["fingerprint"][:2] == ["tidegate", "credential_out"]
    assert event["fingerprint"][2].startswith("openai/")
    assert event["fingerprint"][3] == "invalid"
    assert PROMPT.encode() not in sentry.everything


async def test_a_test_message_of_alerts_arrives(world: World, sentry: FakeSentry) -> None:
    async with world.gateway(**settings(sentry)) as gateway:
        sent = await post_admin(world, gateway, "/alerts/test")
        assert sent["channels"] == ["sentry"]
        await wait_until(lambda: names(sentry) == ["alert"])
    assert sentry.events[0]["fingerprint"] == ["tidegate", "alert", "test"]


@pytest.mark.parametrize(("behaviour", "status"), [("silent", 200), ("hang_up", 200), ("", 429), ("", 500)])
async def test_calls_do_not_notice_what_sentry_does(
    world: World, sentry: FakeSentry, behaviour: str, status: int
) -> None:
    sentry.receiver.behaviour, sentry.receiver.status = behaviour, lambda _: status
    async with contextlib.AsyncExitStack() as stack:
        gateway = await stack.enter_async_context(world.gateway(observers=[FailingObserver()], **settings(sentry)))
        for number in range(15):
            answer = await gateway.chat(ask(f"Is it well, {number}?"))
            assert answer.status == 200
        await wait_until(lambda: len(sentry.receiver.requests) >= 1)
        assert "tidegate_sentry_left_out" in await metrics(world, gateway)
        sentry.receiver.let_go.set()
    assert sentry.events == []


async def test_without_a_dsn_nothing_listens(world: World) -> None:
    async with world.gateway(observers=[FailingObserver()]) as gateway:
        assert (await gateway.chat(ask(PROMPT))).status == 200
