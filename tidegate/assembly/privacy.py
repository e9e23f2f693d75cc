"""The parts that search, export and forget what was said."""

from tidegate.auth.project_store import ProjectStore
from tidegate.cache.erasure import AnswerEraser
from tidegate.conversations.erasure import ConversationEraser
from tidegate.conversations.storage.export import Export
from tidegate.conversations.storage.search import Searcher
from tidegate.conversations.storage.store_base import Archive
from tidegate.core.clock import Clock
from tidegate.metering.ledger.erasure import LedgerEraser
from tidegate.pipeline.erasure import Forgetting
from tidegate.storage.postgres import Postgres
from tidegate.storage.redis import RedisLink
from tidegate.web.admin.data import DataDesk


def data_desk(postgres: Postgres, redis: RedisLink, clock: Clock, *, prefix: str) -> DataDesk:
    """The desk of the admin API that works with what was said."""
    return DataDesk(
        projects=ProjectStore(postgres, redis, prefix=prefix),
        searcher=Searcher(postgres),
        export=Export(Archive(postgres, clock)),
        forgetting=forgetting(postgres, redis, clock, prefix=prefix),
    )


def forgetting(postgres: Postgres, redis: RedisLink, clock: Clock, *, prefix: str) -> Forgetting:
    """What forgets an end user everywhere; whatever remembers something of them belongs into this list."""
    return Forgetting([AnswerEraser(redis, prefix=prefix), ConversationEraser(postgres, clock), LedgerEraser(postgres)])
