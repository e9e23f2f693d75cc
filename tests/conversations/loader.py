"""A history loader over real stores, and calls for it."""

from typing import Any

import msgspec

from tests.conversations.counted_ids import counted_ids
from tidegate.conversations.recall import HistoryLoader, RecallRequest
from tidegate.conversations.storage.completions import CompletionStore
from tidegate.conversations.storage.conversations import ConversationStore, ItemStore
from tidegate.conversations.storage.responses import ResponseStore
from tidegate.conversations.storage.store_base import StoreBase
from tidegate.core import endpoints
from tidegate.core.clock import Clock
from tidegate.wire.call import Call, parse

SHOP_REQUEST = RecallRequest(project="shop", request_id="req_1")


async def postgres_is_ready() -> None:
    """Do nothing: PostgreSQL is ready."""


def history_loader(
    base: StoreBase, clock: Clock, *, check_ready: Any = postgres_is_ready, lease_seconds: float = 60.0
) -> HistoryLoader:
    """Return a loader whose ids are counted, and whose leases are not renewed."""
    return HistoryLoader(
        responses=ResponseStore(base),
        completions=CompletionStore(base),
        conversations=ConversationStore(base, lease_seconds=lease_seconds),
        items=ItemStore(base),
        check_ready=check_ready,
        ids=counted_ids(),
        clock=clock,
    )


def response_call(text: str, **fields: Any) -> Call:
    """Return a call for a response."""
    return parse(endpoints.RESPONSES, msgspec.json.encode({"model": "gpt-4o-mini", "input": text, **fields}))


def upstream_answer(text: str, **fields: Any) -> bytes:
    """Return an upstream's answer."""
    part = {"type": "output_text", "text": text, "annotations": []}
    message = {"id": "msg_theirs", "type": "message", "role": "assistant", "status": "completed", "content": [part]}
    document = {"id": "resp_theirs", "object": "response", "model": "gpt-4o-mini", "status": "completed"}
    return msgspec.json.encode({**document, "output": [message], **fields})
