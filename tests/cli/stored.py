"""Things said in the project `shop`, for commands to find."""

import asyncio

from tests.conversations.records import completion, message, response
from tidegate.conversations.storage.completions import CompletionStore
from tidegate.conversations.storage.responses import ResponseStore
from tidegate.conversations.storage.store_base import StoreBase
from tidegate.core.clock import ManualClock
from tidegate.storage.embedded import StoreUrls
from tidegate.storage.postgres import Postgres


def store_samples(stores: StoreUrls) -> None:
    """A response and a completion by ada, a response by bob."""
    asyncio.run(_say(stores))


async def _say(stores: StoreUrls) -> None:
    postgres = Postgres(stores.database_url, size=1, timeout=10.0)
    store_base = StoreBase(postgres, ManualClock())
    try:
        responses = ResponseStore(store_base)
        for n, user in enumerate(("ada", "bob")):
            asked, said = (
                message(f"msg_{n}", f"When is high tide, asks {user}?"),
                message(f"a_{n}", "Noon", "assistant"),
            )
            await responses.save("shop", response(f"resp_{n}", end_user=user), [asked], [said])
        await CompletionStore(store_base).save(
            "shop", completion("c1", {"role": "user", "content": "[red]Which tide?"}, end_user="ada")
        )
    finally:
        await postgres.close()
