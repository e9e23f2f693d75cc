"""All erasers erase an end user; if one fails, the error is raised and the next call erases the rest."""

import inspect

import pytest

from tidegate.cache.erasure import AnswerEraser
from tidegate.conversations.erasure import ConversationEraser
from tidegate.core.errors import RedisUnavailable
from tidegate.metering.ledger.erasure import LedgerEraser
from tidegate.pipeline.erasure import EndUserErasure, Eraser


@pytest.mark.parametrize("kind", [AnswerEraser, ConversationEraser, LedgerEraser])
def test_each_part_that_stores_data_of_end_users_can_count_and_erase(kind: type[Eraser]) -> None:
    for act in (kind.count, kind.erase):
        assert list(inspect.signature(act).parameters) == ["self", "project", "end_user"]
        assert inspect.iscoroutinefunction(act)


class FakeEraser:
    """A part that remembers some things, and may be away."""

    def __init__(self, what: str, count: int) -> None:
        self.counts = {what: count}
        self.away = False

    async def count(self, project: str, end_user: str) -> dict[str, int]:
        """What is left."""
        assert (project, end_user) == ("shop", "ada")
        return dict(self.counts)

    async def erase(self, project: str, end_user: str) -> dict[str, int]:
        """Forget it."""
        if self.away:
            raise RedisUnavailable
        found = await self.count(project, end_user)
        self.counts = dict.fromkeys(self.counts, 0)
        return found


async def test_everything_is_counted_and_erased() -> None:
    forgetting = EndUserErasure([FakeEraser("items", 3), FakeEraser("answers", 2)])
    assert await forgetting.count("shop", "ada") == {"items": 3, "answers": 2}
    assert await forgetting.erase("shop", "ada") == {"items": 3, "answers": 2}
    assert await forgetting.count("shop", "ada") == {"items": 0, "answers": 0}


async def test_what_could_not_be_erased_is_left_to_the_next_try() -> None:
    items, answers = FakeEraser("items", 3), FakeEraser("answers", 2)
    answers.away = True
    forgetting = EndUserErasure([items, answers])
    with pytest.raises(RedisUnavailable):
        await forgetting.erase("shop", "ada")
    assert await forgetting.count("shop", "ada") == {"items": 0, "answers": 2}
    answers.away = False
    assert await forgetting.erase("shop", "ada") == {"items": 0, "answers": 2}
