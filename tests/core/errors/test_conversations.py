"""A missing object is named by its kind; the error is the same if another project has it."""

import pytest

from tidegate.core import errors
from tidegate.core.errors import ObjectNotFound


@pytest.mark.parametrize(
    "kind",
    [errors.ResponseNotFound, errors.CompletionNotFound, errors.ConversationNotFound, errors.ItemNotFound],
)
def test_what_is_missing_is_named_and_asking_again_does_not_help(kind: type[ObjectNotFound]) -> None:
    assert issubclass(kind, ObjectNotFound)
    assert kind.name.removesuffix("_not_found") in kind().message
    assert not kind.retryable
