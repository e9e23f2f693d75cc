"""What was said: where it is kept, and who puts it into calls."""

from tidegate.assembly.base import Base
from tidegate.conversations.recall import Recollection
from tidegate.conversations.retention import Keeper
from tidegate.conversations.storage.completions import CompletionStore
from tidegate.conversations.storage.conversations import ConversationStore
from tidegate.conversations.storage.items import ItemStore
from tidegate.conversations.storage.leases import Leases
from tidegate.conversations.storage.partitions import Partitions
from tidegate.conversations.storage.responses import ResponseStore
from tidegate.conversations.storage.store_base import Archive
from tidegate.core.ids import new_id


class ConversationParts:
    """What one process has for it."""

    def __init__(self, base: Base, leases: Leases) -> None:
        """Use `make_conversations`."""
        archive = Archive(base.postgres, base.clock)
        self.responses = ResponseStore(archive)
        self.completions = CompletionStore(archive)
        self.conversations = ConversationStore(archive, leases.hold)
        self.recollection = Recollection(
            responses=self.responses,
            completions=self.completions,
            conversations=self.conversations,
            items=ItemStore(archive),
            ready=base.postgres.ready,
            ids=new_id,
            clock=base.clock,
        )


async def make_conversations(base: Base) -> ConversationParts:
    """The parts, and who looks after the partitions and the leases."""
    await base.started(Keeper(Partitions(base.postgres), base.clock))
    return ConversationParts(base, await base.started(Leases(base.postgres)))
