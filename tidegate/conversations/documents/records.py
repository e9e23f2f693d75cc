"""What is kept of a conversation: frozen values, whose documents are JSON as the API shows them."""

from typing import Any, Generic, TypeVar

import msgspec

from tidegate.conversations.storage.leases import Lease

MAX_ITEM_BYTES = 32 * 1024 * 1024
MAX_HISTORY_BYTES = 64 * 1024 * 1024
"""What a conversation may have in it when a turn is taken; more than any model reads."""
MAX_ITEMS_PER_REQUEST = 20
"""Items that one request may add to a conversation, as with OpenAI."""
RUNNING_STATUSES = frozenset({"queued", "in_progress"})
"""A response's status while its output is still to come."""

_Record = TypeVar("_Record")


class ConversationItem(msgspec.Struct, frozen=True, kw_only=True):
    """One item of a conversation: a message, a tool's call or its output, reasoning and the like."""

    id: str
    document: bytes
    """The whole item as JSON, its `id` in it."""
    type: str = "message"
    role: str | None = None

    @staticmethod
    def from_document(document: bytes) -> "ConversationItem":
        """The item that is written in `document`, which must have an `id`. Raises msgspec.DecodeError."""
        head = _decode_head.decode(document)
        return ConversationItem(id=head.id, document=document, type=head.type or "message", role=head.role)


class _ItemHead(msgspec.Struct, frozen=True):
    id: str
    type: str | None = None
    role: str | None = None


_decode_head = msgspec.json.Decoder(_ItemHead)


class Conversation(msgspec.Struct, frozen=True, kw_only=True):
    """A conversation by its name."""

    id: str
    created_at: float
    """Unix seconds."""
    metadata: dict[str, str] = {}


class History(msgspec.Struct, frozen=True, kw_only=True):
    """What was said before a turn."""

    items: tuple[bytes, ...]
    """The items in order, as an upstream that keeps nothing takes them: JSON; a piece may be several, with commas."""
    version: int | None = None
    """Of the conversation: give it back when the turn is saved, and nobody else's can have come between."""
    lease: Lease | None = None
    """Of the conversation, where a response is now made in it."""


class StoredResponse(msgspec.Struct, frozen=True, kw_only=True):
    """A response. Its input and output are items, kept beside it."""

    id: str
    model: str
    created_at: float
    """Unix seconds."""
    document: bytes
    """The response as JSON, without its `output`."""
    status: str = "completed"
    previous_response_id: str | None = None
    conversation_id: str | None = None
    """Of the conversation that it is a turn of; None where it goes by `previous_response_id`."""
    background: bool = False
    end_user: str | None = None
    request_id: str | None = None
    """Its line in the ledger."""
    metadata: dict[str, str] = {}
    listed: bool = True
    """It can be had again; one that cannot is nothing but a turn of its conversation."""
    output: tuple[ConversationItem, ...] = ()
    """Filled by the store when it is read; given apart when it is saved."""

    @property
    def running(self) -> bool:
        """Whether its output is still to come."""
        return self.status in RUNNING_STATUSES


class StoredCompletion(msgspec.Struct, frozen=True, kw_only=True):
    """A chat completion with the messages that it answered."""

    id: str
    model: str
    created_at: float
    """Unix seconds."""
    document: bytes
    """The completion as JSON, with `metadata` as it was when the completion was saved."""
    messages: bytes = b"[]"
    """The request's messages as a JSON array. Empty where it was read: `messages` of the store reads them."""
    end_user: str | None = None
    request_id: str | None = None
    """Its line in the ledger."""
    metadata: dict[str, str] = {}


class PageRequest(msgspec.Struct, frozen=True, kw_only=True):
    """Which part of a list is wanted."""

    after: str | None = None
    """The id of the last one seen."""
    limit: int = 20
    descending: bool = True
    """The newest first."""
    with_media: bool = False
    """Whether images and files come with their data; else `null` stands in its place."""


class RecordPage(msgspec.Struct, Generic[_Record], frozen=True, kw_only=True):
    """A part of a list."""

    items: tuple[_Record, ...]
    has_more: bool


def metadata_of(value: Any) -> dict[str, str]:
    """The pairs of a `metadata` object that are text; empty where it is none."""
    pairs = value.items() if isinstance(value, dict) else ()
    return {str(key): text for key, text in pairs if isinstance(text, str)}
