"""A store that is away, or does not answer in time, gives nothing and no error."""

import asyncio

from tidegate.core.errors import PostgresUnavailable
from tidegate.dashboard.patience import answer_in_time


async def answer() -> int:
    return 3


async def fail() -> int:
    raise PostgresUnavailable


async def hang() -> int:
    await asyncio.Event().wait()
    return 3


async def test_an_answer_is_given_and_an_outage_is_none() -> None:
    assert (await answer_in_time(answer()), await answer_in_time(fail())) == (3, None)
    assert await answer_in_time(hang(), seconds=0.001) is None
