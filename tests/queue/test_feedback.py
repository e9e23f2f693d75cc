"""Answers are told to the lane without holding up a call: seldom while nothing presses, at once when something does."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest

from tests.eventually import until, until_so
from tidegate.core.clock import SystemClock
from tidegate.core.rate_limits import Allowance, Said
from tidegate.queue.feedback import LaneNews, merged
from tidegate.queue.local import LocalLanes
from tidegate.queue.messages import Granted, LaneTerms, Queued, Report, Ticket
from tidegate.queue.replicas import Replicas
from tidegate.queue.store import LaneStore
from tidegate.storage.redis import RedisLink

LANE = "openai/gpt-4o-mini"
SAID = Said(requests=Allowance(limit=600, left=500))


class Desk:
    """News, and what stands in Redis of them."""

    def __init__(self, link: RedisLink, prefix: str) -> None:
        clock = SystemClock()
        terms = lambda _: LaneTerms()  # noqa: E731  # shared by two
        self.link, self.key = link, f"{{{prefix}}}:lane:{LANE}"
        self.local = LocalLanes(terms, Replicas())
        self.store = LaneStore(link, prefix=prefix, terms=terms)
        self.told: list[str] = []
        self.news = LaneNews(self.store, self.local, clock=clock, told=self.told.append)

    async def state(self) -> dict[str, Any]:
        packed = await self.link.command("GET", self.key)
        return msgspec.msgpack.decode(packed, type=dict) if packed else {}


@pytest.fixture
async def desk(clean_stores: object, redis_link: RedisLink, redis_prefix: str) -> AsyncIterator[Desk]:
    assert clean_stores
    desk = Desk(redis_link, redis_prefix)
    yield desk
    await desk.news.close()


async def test_the_first_answer_is_told_at_once_and_the_next_ones_together(desk: Desk) -> None:
    begun = SystemClock().now()
    desk.news.answered(LANE, SAID, ok=True, age=0.1)
    await until(lambda: desk.news.told(LANE))
    for left in range(499, 399, -1):
        desk.news.answered(LANE, Said(requests=Allowance(limit=600, left=left)), ok=True, age=0.0)
    assert not desk.news.told(LANE)
    await until(lambda: desk.news.told(LANE))
    assert len(desk.told) == 2
    state = await desk.state()
    assert state["limits"] == [600, 0]
    assert state["ramp"] == 104
    assert begun + 19.8 <= state["full_at"][0] <= SystemClock().now() + 20


async def test_a_refusal_is_told_at_once(desk: Desk) -> None:
    desk.news.answered(LANE, SAID, ok=True, age=0.1)
    await until(lambda: desk.news.told(LANE))
    begun = SystemClock().now()
    desk.news.refused(LANE, Said(), "requests", 7.0, tokens=50, age=0.0)
    await until(lambda: len(desk.told) == 2)
    assert begun + 7 <= (await desk.state())["not_before"] <= SystemClock().now() + 7


async def test_an_outage_is_told_at_once(desk: Desk) -> None:
    desk.news.answered(LANE, SAID, ok=True, age=0.1)
    desk.news.outage(LANE)
    await until(lambda: desk.news.told(LANE))
    assert (await desk.state())["ramp"] == 3


async def test_of_a_free_lane_only_what_is_new_is_told(desk: Desk) -> None:
    for _ in range(61):
        desk.news.answered(LANE, Said(), ok=True, age=0.0)
    await until(lambda: desk.news.told(LANE))
    told = len(desk.told)
    desk.news.answered(LANE, Said(), ok=True, age=0.0)
    assert desk.news.told(LANE)
    assert len(desk.told) == told
    desk.news.answered(LANE, SAID, ok=True, age=0.0)
    await until(lambda: desk.news.told(LANE))
    assert (await desk.state())["free"] is False


async def free_lane(desk: Desk) -> None:
    for _ in range(61):
        desk.news.answered(LANE, Said(), ok=True, age=0.0)
    await until(lambda: desk.news.told(LANE))
    assert (await desk.state())["free"]


async def granted(desk: Desk, member: str) -> bool:
    ticket = Ticket(member=member, tokens=1, flow="harbour", weight=4, deadline=2e9)
    return isinstance(await desk.store.enter(LANE, ticket, SystemClock().now()), Granted)


async def test_a_lane_that_redis_has_forgotten_is_opened_by_answers_that_say_nothing(desk: Desk) -> None:
    await free_lane(desk)
    await desk.link.command("DEL", desk.key)
    assert [await granted(desk, f"p:{number}") for number in range(4)] == [True, True, True, False]
    for _ in range(3):
        desk.news.answered(LANE, Said(), ok=True, age=0.0)
    await until_in(desk, unanswered=0)
    assert (await desk.state())["ramp"] == 6


async def test_who_waits_in_a_lane_that_was_free_has_the_answers_so_far_told_at_once(desk: Desk) -> None:
    await free_lane(desk)
    await desk.link.command("DEL", desk.key)
    assert await granted(desk, "p:1")
    desk.news.answered(LANE, Said(), ok=True, age=0.0)
    assert desk.news.told(LANE)
    desk.news.waiting(LANE)
    assert not desk.news.told(LANE)
    await until_in(desk, unanswered=0)


async def test_answers_that_came_while_redis_was_away_are_told_when_it_is_back(desk: Desk) -> None:
    for number in range(3):
        assert await granted(desk, f"p:{number}")
    await desk.link.close()
    for _ in range(3):
        desk.news.answered(LANE, Said(), ok=True, age=0.0)
    await until(lambda: desk.news.told(LANE))
    await desk.link.start()
    await until_in(desk, unanswered=0)


async def until_in(desk: Desk, *, unanswered: int) -> None:
    """Wait until Redis counts so many calls without an answer."""

    async def counted() -> bool:
        return bool((await desk.state())["out"] == unanswered)

    await until_so(counted)


async def test_what_is_known_of_all_is_remembered_for_when_redis_is_away(desk: Desk) -> None:
    desk.news.answered(LANE, SAID, ok=True, age=0.1)
    await until(lambda: desk.news.told(LANE))
    ticket = Ticket(member="p:1", tokens=1, flow="harbour", weight=4, deadline=2e9)
    now = SystemClock().now()
    verdicts = [desk.local.enter(LANE, msgspec.structs.replace(ticket, member=f"p:{n}"), now) for n in range(9)]
    assert {type(verdict) for verdict in verdicts} == {Granted, Queued}
    await desk.link.close()
    desk.news.answered(LANE, SAID, ok=True, age=0.1)
    await asyncio.sleep(0)
    await until(lambda: desk.news.told(LANE))
    assert desk.told == [LANE, LANE], "who waits here is looked after all the same"


@pytest.mark.parametrize(
    ("one", "other", "both"),
    [
        (Report(answered=1, succeeded=1), Report(answered=2), Report(answered=3, succeeded=1)),
        (Report(rpm=600, rpm_left=5), Report(rpm=500, rpm_left=7), Report(rpm=500, rpm_left=5)),
        (Report(rpm=600, rpm_left=5), Report(), Report(rpm=600, rpm_left=5)),
        (Report(), Report(tpm=9, tpm_left=0), Report(tpm=9, tpm_left=0)),
        (Report(age=2.0), Report(age=0.1), Report(age=2.0)),
        (
            Report(refused="tokens", wait=2.0, tokens=9),
            Report(refused="requests", wait=1.0),
            Report(refused="requests", wait=2.0, tokens=9),
        ),
        (Report(shut="tokens", shut_for=9.0), Report(), Report(shut="tokens", shut_for=9.0)),
        (Report(), Report(outage=True), Report(outage=True)),
    ],
)
def test_two_reports_become_one(one: Report, other: Report, both: Report) -> None:
    assert merged(one, other) == both


async def test_a_refusal_can_be_waited_for_until_the_lane_has_heard_of_it(desk: Desk) -> None:
    desk.news.answered(LANE, SAID, ok=True, age=0.1)  # being told while the refusal comes
    await asyncio.sleep(0)
    begun = SystemClock().now()
    desk.news.refused(LANE, Said(), "requests", 5.0, tokens=1, age=0.0)
    await desk.news.spread(LANE)
    assert begun + 5 <= (await desk.state())["not_before"] <= SystemClock().now() + 5
    assert desk.news.told(LANE)
    await desk.news.spread(LANE)  # there is nothing to wait for
