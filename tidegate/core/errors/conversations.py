"""Errors of stored responses, completions and conversations."""

from tidegate.core.errors.caller import CallerError
from tidegate.core.errors.stores import StoreError


class ObjectNotFound(CallerError):
    """Nothing is stored under that id in this project."""

    name = "object_not_found"


class ResponseNotFound(ObjectNotFound):
    """This project has no response with that id, or the response was deleted or has expired."""

    name = "response_not_found"


class CompletionNotFound(ObjectNotFound):
    """This project has no stored completion with that id; only calls with `store: true` are stored."""

    name = "completion_not_found"


class ConversationNotFound(ObjectNotFound):
    """This project has no conversation with that id, or the conversation was deleted or has expired."""

    name = "conversation_not_found"


class ItemNotFound(ObjectNotFound):
    """This conversation has no item with that id, or the item was deleted."""

    name = "item_not_found"


class PreviousResponseNotFound(CallerError):
    """This project has no complete response with the id in `previous_response_id`, so the request was not sent."""

    name = "previous_response_not_found"


class ConversationLocked(CallerError):
    """Another request is changing this conversation, so this one was not carried out. Retry when it has ended."""

    name = "conversation_locked"
    retryable = True


class TooManyItems(CallerError):
    """A request may add at most 20 items to a conversation; none was added. Send them in several requests."""

    name = "array_above_max_length"


class ItemTooLarge(CallerError):
    """An item is larger than 32 MB and was not stored. Make its image or file smaller, or send its URL."""

    name = "item_too_large"


class HistoryTooLarge(CallerError):
    """The conversation's history is larger than 64 MB, so the request was not sent. Begin a new conversation."""

    name = "history_too_large"
    code = "context_length_exceeded"


class NotStorable(CallerError):
    """PostgreSQL cannot store a value of the request, so nothing was stored. Change the value, or do not store it."""

    name = "not_storable"


class PartitionMissing(StoreError):
    """The database has no partition for the day on which these rows expire; nothing was stored. See the log."""

    name = "partition_missing"
