"""The stored records of conversations, as frozen values. Their documents are JSON as the API shows it."""

from typing import Any, Generic, TypeVar

import msgspec

from tidegate.conversations.storage.leases import Lease

MAX_ITEM_BYTES = 32 * 1024 * 1024
MAX_HISTORY_BYTES = 64 * 1024 * 1024
"""The most bytes of a conversation's history that a turn may use; more than any model reads."""
MAX_ITEMS_PER_REQUEST = 20
"""The most items that one request may add to a conversation, as with OpenAI."""
RUNNING_STATUSES = frozenset({"queued", "in_progress"})
"""The statuses of a response whose output is still to come."""

_Record = TypeVar("_Record")


class ConversationItem(msgspec.Struct, frozen=True, kw_only=True):
    """One item of a conversation: a message, a tool call or its output, reasoning and the like."""

    id: str
    document: bytes
    """The whole item as JSON, including its `id`."""
    type: str = "message"
    role: str | None = None

    @staticmethod
    def from_document(document: bytes) -> "ConversationItem":
        """Return the item that `document` holds; it must have an `id`. Raises msgspec.DecodeError."""
        head = _decode_head.decode(document)
        return ConversationItem(id=head.id, document=document, type=head.type or "message", role=head.role)


class _ItemHead(msgspec.Struct, frozen=True):
    id: str
    type: str | None = None
    role: str | None = None


_decode_head = msgspec.json.Decoder(_ItemHead)


class Conversation(msgspec.Struct, frozen=True, kw_only=True):
    """A named conversation."""

    id: str
    created_at: float
    """Unix seconds."""
    metadata: dict[str, str] = {}


class History(msgspec.Struct, frozen=True, kw_only=True):
    """The items before a turn."""

    items: tuple[bytes, ...]
    """The items in order, in the form for a stateless upstream, as JSON.

    One element may hold several, with commas between.
    """
    version: int | None = None
    """The conversation's version when the history was read.

    Saving a turn with it fails if another turn was saved since.
    """
    lease: Lease | None = None
    """The lease of the conversation, where a response is being made in it."""


class StoredResponse(msgspec.Struct, frozen=True, kw_only=True):
    """A response. Its input and output are stored as items."""

    id: str
    model: str
    created_at: float
    """Unix seconds."""
    document: bytes
    """The response as JSON, without its `output`."""
    status: str = "completed"
    previous_response_id: str | None = None
    conversation_id: str | None = None
    """The conversation in which it is a turn; None if it continues `previous_response_id`."""
    background: bool = False
    end_user: str | None = None
    request_id: str | None = None
    """The id of its ledger entry."""
    metadata: dict[str, str] = {}
    listed: bool = True
    """False if callers cannot retrieve it: it then exists only as a turn of its conversation."""
    output: tuple[ConversationItem, ...] = ()
    """Filled by the store when it reads a response; passed separately when one is saved."""

    @property
    def running(self) -> bool:
        """Return whether its output is still to come."""
        return self.status in RUNNING_STATUSES


class StoredCompletion(msgspec.Struct, frozen=True, kw_only=True):
    """A chat completion with the messages of its request."""

    id: str
    model: str
    created_at: float
    """Unix seconds."""
    document: bytes
    """The completion as JSON, with `metadata` as it was when the completion was saved."""
    messages: bytes = b"[]"
    """The request's messages as a JSON array. Empty when read from the store; its method `messages` reads them."""
    end_user: str | None = None
    request_id: str | None = None
    """The id of its ledger entry."""
    metadata: dict[str, str] = {}


class PageRequest(msgspec.Struct, frozen=True, kw_only=True):
    """The page of a list that is wanted."""

    after: str | None = None
    """The id of the last record of the page before."""
    limit: int = 20
    descending: bool = True
    """Newest first."""
    with_media: bool = False
    """Whether images and files come with their data; otherwise they are `null`."""


class RecordPage(msgspec.Struct, Generic[_Record], frozen=True, kw_only=True):
    """A page of a list."""

    items: tuple[_Record, ...]
    has_more: bool


def metadata_of(value: Any) -> dict[str, str]:
    """Return the pairs of a `metadata` object whose values are text; empty if it is no object."""
    pairs = value.items() if isinstance(value, dict) else ()
    return {str(key): text for key, text in pairs if isinstance(text, str)}
