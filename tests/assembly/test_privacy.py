"""The parts that forget an end user are put together, each thing counted under a name of its own."""

from tidegate.assembly.privacy import conversation_data_handlers, end_user_erasure, end_user_handlers
from tidegate.core.clock import ManualClock
from tidegate.storage.postgres import Postgres
from tidegate.storage.redis import RedisLink
from tidegate.web.admin.conversations import ConversationDataHandlers
from tidegate.web.admin.users import EndUserHandlers, ErasureView


async def test_every_count_has_a_place_in_what_is_shown(
    postgres: Postgres, redis_link: RedisLink, clock: ManualClock, redis_prefix: str
) -> None:
    found = await end_user_erasure(postgres, redis_link, clock, prefix=redis_prefix).count("shop", "ada")
    assert set(found) == set(ErasureView.model_fields) - {"project", "end_user", "dry_run"}
    data = conversation_data_handlers(postgres, redis_link, clock, prefix=redis_prefix)
    users = end_user_handlers(postgres, redis_link, clock, prefix=redis_prefix)
    assert (type(data), type(users)) == (ConversationDataHandlers, EndUserHandlers)
