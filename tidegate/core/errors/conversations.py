"""What was asked of the stored conversations and cannot be."""

from tidegate.core.errors.caller import CallerError
from tidegate.core.errors.stores import StoreError


class ObjectNotFound(CallerError):
    """There is nothing stored under that id in this project."""

    name = "not_stored"
    code = None


class ResponseNotFound(ObjectNotFound):
    """There is no response with that id in this project, or it was deleted."""

    name = "response_not_found"


class CompletionNotFound(ObjectNotFound):
    """There is no stored completion with that id in this project; only calls with `store: true` are kept."""

    name = "completion_not_found"


class ConversationNotFound(ObjectNotFound):
    """There is no conversation with that id in this project, or it was deleted."""

    name = "conversation_not_found"


class ItemNotFound(ObjectNotFound):
    """There is no item with that id in this conversation, or it was deleted."""

    name = "item_not_found"


class PreviousResponseNotFound(CallerError):
    """There is no response to go on from: the previous one is not known in this project, or it was deleted."""

    name = "previous_response_not_found"
    code = "previous_response_not_found"


class ConversationLocked(CallerError):
    """Somebody else added to this conversation meanwhile, or a response is being made in it. Try again."""

    name = "conversation_busy"
    code = "conversation_locked"
    retryable = True


class TooManyItems(CallerError):
    """A conversation takes at most 20 items at once. Add the rest with further requests."""

    name = "too_many_items"
    code = "array_above_max_length"


class ItemTooLarge(CallerError):
    """An item has at most 32 MB. Make its image or file smaller, or keep the file elsewhere and send its URL."""

    name = "item_too_large"
    code = "item_too_large"


class HistoryTooLarge(CallerError):
    """What was said before is larger than 64 MB; no model reads as much. Begin a new conversation."""

    name = "history_too_large"
    code = "context_length_exceeded"


class NotStorable(CallerError):
    """The request has something in it that PostgreSQL cannot hold, as a number of more than 100,000 digits."""

    name = "not_storable"
    code = "not_storable"


class PartitionMissing(StoreError):
    """There is no partition for the day on which these rows expire; the log says why it could not be made."""

    name = "partition_missing"
