"""Whoever asks for what is not kept learns which thing it was, and never whether somebody else has it."""

import pytest

from tidegate.core import errors
from tidegate.core.errors import CallerError, NotKept

NOT_KEPT = [
    errors.ResponseNotFound,
    errors.CompletionNotFound,
    errors.ConversationNotFound,
    errors.ItemNotFound,
]


@pytest.mark.parametrize("kind", NOT_KEPT)
def test_what_is_deleted_and_what_is_anothers_look_the_same(kind: type[NotKept]) -> None:
    assert issubclass(kind, NotKept)
    assert "belongs to others" in kind().message
    assert "deleted" in kind().message
    assert kind.code == f"{kind.name}"


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        (errors.NotStreamable, "This response cannot be streamed because it was not created with background=true."),
        (errors.NotCancellable, "Cannot cancel a synchronous response."),
    ],
)
def test_what_a_synchronous_response_refuses_is_said_in_openais_words(kind: type[CallerError], said: str) -> None:
    assert kind().message == said
    assert kind.code is None
    assert not kind.retryable
