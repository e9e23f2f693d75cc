"""While replicas are killed, each stored conversation keeps alternating turns and every acknowledged one.

`python -m benchmarks.chats` shows it with 200 chats over three replicas.
"""

import asyncio
import contextlib
from random import Random

import pytest

from benchmarks.talks import House, Talk
from tests.harness import GatewayProcess, World

CHATS, TURNS, KILLS = 8, 5, 3


async def test_chats_survive_the_death_of_replicas(world: World) -> None:
    dice = Random(1)  # noqa: S311  # repeatable on purpose
    async with contextlib.AsyncExitStack() as stack:
        stays = await stack.enter_async_context(world.gateway())
        doomed: list[GatewayProcess] = [await stack.enter_async_context(world.process()) for _ in range(KILLS)]
        house = House(world.http, [gateway.base_url for gateway in (stays, *doomed)], world.key)
        talks = [Talk(house, Random(number), named=number % 2 == 0) for number in range(CHATS)]  # noqa: S311  # the same

        async def chat(talk: Talk, number: int) -> None:
            await talk.begin()
            for turn in range(TURNS):
                await talk.say(f"chat {number}, turn {turn}")

        chatting = asyncio.gather(*(chat(talk, number) for number, talk in enumerate(talks)))
        for victim in doomed:
            await asyncio.wait({chatting}, timeout=dice.uniform(0.05, 0.4))
            victim.kill()
        await chatting
        complaints = [complaint for talk in talks for complaint in await talk.complaints()]
    assert complaints == []
    assert sum(len(talk.turns) for talk in talks) == CHATS * TURNS


@pytest.mark.parametrize("named", [True, False])
async def test_a_chat_of_thirty_turns_over_two_replicas_with_hits_and_joins_between(world: World, named: bool) -> None:
    async with world.gateway() as one, world.gateway() as other:
        house = House(world.http, [one.base_url, other.base_url], world.key)
        first, second = (Talk(house, Random(number), named=named) for number in (1, 2))  # noqa: S311  # repeatable
        for talk in (first, second):
            await talk.begin()
        for turn in range(30):
            if turn % 3:
                await asyncio.gather(first.say(f"turn {turn}"), second.say(f"turn {turn}"))
            else:
                await first.say(f"turn {turn}")
                await second.say(f"turn {turn}")
        assert await first.complaints() == await second.complaints() == []
    assert [turn.answer for turn in first.turns] == [turn.answer for turn in second.turns]
    assert {turn.item for turn in first.turns} & {turn.item for turn in second.turns} == set()
    assert await world.calls("responses") == 30
    kinds = {line["cache"] for line in await world.all_entries()}
    assert kinds == {"miss", "hit", "joined"}
