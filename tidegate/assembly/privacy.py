"""Builds what searches, exports and erases stored data. Used by assembly/web.py and by the CLI."""

from tidegate.auth.project_store import ProjectStore
from tidegate.cache.erasure import AnswerEraser
from tidegate.cache.semantic.state.change_log import ChangeLog
from tidegate.cache.semantic.state.erasure import QuestionEraser
from tidegate.conversations.erasure import ConversationEraser
from tidegate.conversations.storage.export import ConversationExport
from tidegate.conversations.storage.reading import ConversationReading
from tidegate.conversations.storage.search import ConversationSearch
from tidegate.conversations.storage.store_base import StoreBase
from tidegate.core.clock import Clock
from tidegate.metering.ledger.erasure import LedgerEraser
from tidegate.ownership.erasure import ObjectEraser
from tidegate.pipeline.erasure import EndUserErasure
from tidegate.storage.postgres import Postgres
from tidegate.storage.redis import RedisLink
from tidegate.web.admin.conversations import ConversationDataHandlers
from tidegate.web.admin.users import EndUserHandlers


def conversation_data_handlers(
    postgres: Postgres, redis: RedisLink, clock: Clock, *, prefix: str
) -> ConversationDataHandlers:
    """Return the admin API's handlers for search and export."""
    return ConversationDataHandlers(
        projects=ProjectStore(postgres, redis, prefix=prefix),
        searcher=ConversationSearch(postgres),
        reading=ConversationReading(postgres),
        export=ConversationExport(StoreBase(postgres, clock)),
    )


def end_user_handlers(postgres: Postgres, redis: RedisLink, clock: Clock, *, prefix: str) -> EndUserHandlers:
    """Return the admin API's handlers for end users."""
    return EndUserHandlers(
        projects=ProjectStore(postgres, redis, prefix=prefix),
        erasure=end_user_erasure(postgres, redis, clock, prefix=prefix),
    )


def end_user_erasure(postgres: Postgres, redis: RedisLink, clock: Clock, *, prefix: str) -> EndUserErasure:
    """Return what erases an end user everywhere: add an eraser for each new store of user data."""
    questions = QuestionEraser(postgres, ChangeLog(postgres, redis, prefix=prefix))
    return EndUserErasure(
        [
            AnswerEraser(redis, prefix=prefix),
            questions,
            ConversationEraser(postgres, clock),
            ObjectEraser(postgres, clock),
            LedgerEraser(postgres),
        ]
    )
