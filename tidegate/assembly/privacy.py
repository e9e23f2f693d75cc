"""The parts that search, export and forget what was said."""

from tidegate.auth.project_store import ProjectStore
from tidegate.cache.erasure import AnswerEraser
from tidegate.conversations.erasure import ConversationEraser
from tidegate.conversations.storage.export import ConversationExport
from tidegate.conversations.storage.search import ConversationSearch
from tidegate.conversations.storage.store_base import StoreBase
from tidegate.core.clock import Clock
from tidegate.metering.ledger.erasure import LedgerEraser
from tidegate.pipeline.erasure import EndUserErasure
from tidegate.storage.postgres import Postgres
from tidegate.storage.redis import RedisLink
from tidegate.web.admin.data import DataHandlers


def data_handlers(postgres: Postgres, redis: RedisLink, clock: Clock, *, prefix: str) -> DataHandlers:
    """The desk of the admin API that works with what was said."""
    return DataHandlers(
        projects=ProjectStore(postgres, redis, prefix=prefix),
        searcher=ConversationSearch(postgres),
        export=ConversationExport(StoreBase(postgres, clock)),
        erasure=end_user_erasure(postgres, redis, clock, prefix=prefix),
    )


def end_user_erasure(postgres: Postgres, redis: RedisLink, clock: Clock, *, prefix: str) -> EndUserErasure:
    """What forgets an end user everywhere; whatever remembers something of them belongs into this list."""
    return EndUserErasure(
        [AnswerEraser(redis, prefix=prefix), ConversationEraser(postgres, clock), LedgerEraser(postgres)]
    )
