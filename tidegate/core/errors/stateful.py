"""What is refused where callers ask for what was kept: responses, completions, conversations and their items."""

from typing import ClassVar

from tidegate.core.errors.caller import CallerError


class MutuallyExclusive(CallerError):
    """Two parameters of the request exclude each other."""

    name = "mutually_exclusive"
    code = "mutually_exclusive_parameters"


class UnsupportedParameter(CallerError):
    """A parameter cannot be used together with another of the request."""

    name = "unsupported_parameter"
    code = "unsupported_parameter"


class NotKept(CallerError):
    """There is nothing of that id in your project: it was never stored, was deleted, or is not complete yet."""

    name = "not_kept"
    code: ClassVar[str | None] = "not_found"


class ResponseNotFound(NotKept):
    """The response was not found: it was never stored, was deleted, is not complete yet, or belongs to others."""

    name = "response_not_found"
    code = "response_not_found"


class PreviousResponseNotFound(CallerError):
    """The previous response was not found: it was never stored, was deleted, or belongs to others."""

    name = "previous_response_not_found"
    code = "previous_response_not_found"


class CompletionNotFound(NotKept):
    """The chat completion was not found: it was made without `store: true`, was deleted, or belongs to others."""

    name = "completion_not_found"
    code = "completion_not_found"


class ConversationNotFound(NotKept):
    """The conversation was not found: it was never made, was deleted, or belongs to others."""

    name = "conversation_not_found"
    code = "conversation_not_found"


class ItemNotFound(NotKept):
    """The item was not found: it was never stored, was deleted, or belongs to others."""

    name = "item_not_found"
    code = "item_not_found"


class NotStreamable(CallerError):
    """This response cannot be streamed because it was not created with background=true."""

    name = "not_streamable"
    code = None


class NotCancellable(CallerError):
    """Cannot cancel a synchronous response."""

    name = "not_cancellable"
    code = None
