"""What was said: where it is kept, and who puts it into calls."""

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
    """What one process has for it."""

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
    """The parts, and who looks after the partitions and the leases."""
    await base.start(RetentionTask(Partitions(base.postgres), base.clock))
    return ConversationParts(base, await base.start(LeaseRenewal(base.postgres)))
