"""The objects of `tidegate.conversations`: its stores and the history loader."""

from tidegate.assembly.base import Base
from tidegate.conversations.recall import HistoryLoader
from tidegate.conversations.retention import RetentionTask
from tidegate.conversations.storage.completions import CompletionStore
from tidegate.conversations.storage.conversations import ConversationStore, ItemStore
from tidegate.conversations.storage.leases import LeaseRenewal
from tidegate.conversations.storage.partitions import Partitions
from tidegate.conversations.storage.responses import ResponseStore
from tidegate.conversations.storage.store_base import StoreBase
from tidegate.core.ids import new_id


class ConversationParts:
    """The stores of one process."""

    def __init__(self, base: Base, leases: LeaseRenewal) -> None:
        """Use `make_conversations`."""
        store_base = StoreBase(base.postgres, base.clock)
        self.responses = ResponseStore(store_base)
        self.completions = CompletionStore(store_base)
        self.conversations = ConversationStore(store_base, leases.register)
        self.history = HistoryLoader(
            responses=self.responses,
            completions=self.completions,
            conversations=self.conversations,
            items=ItemStore(store_base),
            check_ready=base.postgres.ensure_ready,
            ids=new_id,
            clock=base.clock,
        )


async def make_conversations(base: Base) -> ConversationParts:
    """Return the parts; the retention task and the leases are started."""
    await base.start(RetentionTask(Partitions(base.postgres), base.clock))
    return ConversationParts(base, await base.start(LeaseRenewal(base.postgres)))
