"""A conversation is leased for a turn, renewed while its process lives, and free afterwards."""

import gc

import pytest
from structlog.testing import capture_logs

from tests.conversations.records import message, response
from tests.eventually import wait_until, wait_until_async
from tests.failing_once import FailingOnce, failed_rounds
from tidegate.conversations.documents.records import Conversation, PageRequest
from tidegate.conversations.storage.conversations import ConversationStore
from tidegate.conversations.storage.leases import LeaseRenewal
from tidegate.conversations.storage.responses import ResponseStore
from tidegate.conversations.storage.store_base import StoreBase
from tidegate.core.errors import ConversationLocked, ConversationNotFound
from tidegate.storage.postgres import Postgres

NAMED = Conversation(id="conv_1", created_at=1.0)


async def seconds_left(postgres: Postgres) -> float:
    """Return the seconds that the lease of the only conversation lasts; 0 for none."""
    async with postgres.connection() as connection:
        remaining = "SELECT extract(epoch FROM leased_until - clock_timestamp())::float8 FROM conversations"
        return float(await connection.fetchval(remaining) or 0)


async def test_while_one_has_it_nobody_adds_and_everybody_reads(conversations: ConversationStore) -> None:
    await conversations.create("shop", NAMED, [message("msg_1", "a")])
    history = await conversations.begin_turn("shop", "conv_1", "resp_1")
    assert history.lease is not None
    for act in (
        conversations.begin_turn("shop", "conv_1", "resp_2"),
        conversations.add_items("shop", "conv_1", [message("msg_2", "b")]),
        conversations.delete_item("shop", "conv_1", "msg_1"),
    ):
        with pytest.raises(ConversationLocked):
            await act
    assert len((await conversations.items("shop", "conv_1", PageRequest())).items) == 1
    assert (await conversations.history("shop", "conv_1")).items == history.items
    await conversations.update("shop", "conv_1", {"of": "ann"})
    await conversations.release_lease(history.lease)
    await conversations.add_items("shop", "conv_1", [message("msg_2", "b")])


async def test_saving_the_turn_ends_the_lease(
    conversations: ConversationStore, responses: ResponseStore, postgres: Postgres
) -> None:
    await conversations.create("shop", NAMED)
    history = await conversations.begin_turn("shop", "conv_1", "resp_1")
    turn = response("resp_1", conversation_id="conv_1")
    await responses.save("shop", turn, [message("msg_1", "a")], [], version=history.version)
    assert await seconds_left(postgres) == 0
    await conversations.begin_turn("shop", "conv_1", "resp_2")


async def test_a_lease_ends_by_itself(store_base: StoreBase, conversations: ConversationStore) -> None:
    await conversations.create("shop", NAMED)
    await ConversationStore(store_base, lease_seconds=0).begin_turn("shop", "conv_1", "resp_1")
    await conversations.begin_turn("shop", "conv_1", "resp_2")


async def test_it_is_renewed_for_as_long_as_somebody_has_it(
    store_base: StoreBase, conversations: ConversationStore, postgres: Postgres
) -> None:
    await conversations.create("shop", NAMED)
    leases = LeaseRenewal(postgres, seconds=3600)
    history = await ConversationStore(store_base, leases.register, lease_seconds=60).begin_turn(
        "shop", "conv_1", "resp_1"
    )
    assert await seconds_left(postgres) <= 60
    await leases.renew_all()
    assert await seconds_left(postgres) > 60
    shorter = LeaseRenewal(postgres, seconds=1)
    assert history.lease is not None
    shorter.register(history.lease)
    del history
    gc.collect()
    await shorter.renew_all()
    assert await seconds_left(postgres) > 60, "whoever had it is gone, so nothing was renewed"


async def test_a_lease_that_was_lost_is_not_renewed(
    store_base: StoreBase, conversations: ConversationStore, postgres: Postgres
) -> None:
    await conversations.create("shop", NAMED)
    leases = LeaseRenewal(postgres, seconds=3600)
    lost = await ConversationStore(store_base, leases.register, lease_seconds=0).begin_turn("shop", "conv_1", "resp_1")
    await conversations.begin_turn("shop", "conv_1", "resp_2")
    await leases.renew_all()
    assert await seconds_left(postgres) < 3600
    assert lost.lease is not None
    await conversations.release_lease(lost.lease)
    assert await seconds_left(postgres) > 0


async def test_nobody_waits_long_to_give_it_back(conversations: ConversationStore, postgres: Postgres) -> None:
    await conversations.create("shop", NAMED)
    history = await conversations.begin_turn("shop", "conv_1", "resp_1")
    assert history.lease is not None
    async with postgres.connection() as connection, connection.transaction():
        await connection.execute("SELECT FROM conversations FOR UPDATE")
        await conversations.release_lease(history.lease)
    assert await seconds_left(postgres) > 0, "it runs out by itself"


async def test_what_does_not_exist_is_leased_to_nobody(conversations: ConversationStore) -> None:
    await conversations.create("shop", NAMED)
    for project, name in (("shop", "conv_2"), ("bank", "conv_1")):
        with pytest.raises(ConversationNotFound):
            await conversations.begin_turn(project, name, "resp_1")


async def test_leases_are_renewed_between_start_and_close(
    store_base: StoreBase, conversations: ConversationStore, postgres: Postgres
) -> None:
    await conversations.create("shop", NAMED)
    leases = LeaseRenewal(postgres, seconds=0.2)
    history = await ConversationStore(store_base, leases.register, lease_seconds=0).begin_turn(
        "shop", "conv_1", "resp_1"
    )
    ran_out = await seconds_left(postgres)

    async def renewed() -> bool:
        return await seconds_left(postgres) > ran_out

    await leases.start()
    await wait_until_async(renewed)
    await leases.close()
    assert history.lease is not None


class RenewalFailingOnce(LeaseRenewal):
    """A renewal whose first round meets a defect."""

    def __init__(self, postgres: Postgres, *, seconds: float) -> None:
        super().__init__(postgres, seconds=seconds)
        self.fault = FailingOnce()

    async def renew_all(self) -> None:
        self.fault()
        await super().renew_all()


async def test_a_defect_in_one_round_is_logged_once_and_the_next_round_renews(postgres: Postgres) -> None:
    renewal = RenewalFailingOnce(postgres, seconds=0.04)
    with capture_logs() as logs:
        await renewal.start()
        await wait_until(lambda: renewal.fault.calls >= 3)
        await renewal.close()
    assert failed_rounds(logs) == [("conversation-leases", "ZeroDivisionError")]
