"""Every part that stores data of end users is an `Eraser`."""

import inspect

import pytest

from tidegate.cache.erasure import AnswerEraser
from tidegate.conversations.erasure import ConversationEraser
from tidegate.core.erasure import Eraser
from tidegate.metering.ledger.erasure import LedgerEraser


@pytest.mark.parametrize("kind", [AnswerEraser, ConversationEraser, LedgerEraser])
def test_it_can_count_and_erase(kind: type[Eraser]) -> None:
    for act in (kind.count, kind.erase):
        assert list(inspect.signature(act).parameters) == ["self", "project", "end_user"]
        assert inspect.iscoroutinefunction(act)
