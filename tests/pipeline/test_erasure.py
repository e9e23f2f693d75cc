"""All parts forget an end user; what one could not is told, and the next try goes on."""

import pytest

from tidegate.core.errors import RedisUnavailable
from tidegate.pipeline.erasure import Forgetting


class Remembers:
    """A part that remembers some things, and may be away."""

    def __init__(self, what: str, count: int) -> None:
        self.left = {what: count}
        self.away = False

    async def count(self, project: str, end_user: str) -> dict[str, int]:
        """What is left."""
        assert (project, end_user) == ("shop", "ada")
        return dict(self.left)

    async def erase(self, project: str, end_user: str) -> dict[str, int]:
        """Forget it."""
        if self.away:
            raise RedisUnavailable
        found = await self.count(project, end_user)
        self.left = dict.fromkeys(self.left, 0)
        return found


async def test_everything_is_counted_and_erased() -> None:
    forgetting = Forgetting([Remembers("items", 3), Remembers("answers", 2)])
    assert await forgetting.count("shop", "ada") == {"items": 3, "answers": 2}
    assert await forgetting.forget("shop", "ada") == {"items": 3, "answers": 2}
    assert await forgetting.count("shop", "ada") == {"items": 0, "answers": 0}


async def test_what_could_not_be_erased_is_left_to_the_next_try() -> None:
    items, answers = Remembers("items", 3), Remembers("answers", 2)
    answers.away = True
    forgetting = Forgetting([items, answers])
    with pytest.raises(RedisUnavailable):
        await forgetting.forget("shop", "ada")
    assert await forgetting.count("shop", "ada") == {"items": 0, "answers": 2}
    answers.away = False
    assert await forgetting.forget("shop", "ada") == {"items": 0, "answers": 2}
