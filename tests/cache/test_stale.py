"""A stale answer is no hit any more, but can be given when no target can answer."""

import pytest

from tests.limits.script_parts import NOON, ScriptCalls
from tidegate.cache.stale import StaleAnswers
from tidegate.cache.stored import AnswerCodec, StoredAnswer
from tidegate.core.clock import ManualClock
from tidegate.limits.decision import CacheHit, LimitRejection, SendUpstream
from tidegate.limits.scopes import LimitScope
from tidegate.storage.redis import RedisLink

TTL, DAY = 3600.0, 86_400.0
ANSWER = StoredAnswer(stream=False, body=b'{"tide": "high"}' * 100, served_by="openai/gpt-4o-mini", echo="{}")


class MovableClock(ManualClock):
    """A clock that a test sets."""

    def at(self, moment: float) -> None:
        """From now on it is `moment`, Unix seconds."""
        self.advance(moment - self.now())


@pytest.fixture
def clock() -> MovableClock:
    return MovableClock(NOON)


@pytest.fixture
async def calls(redis_link: RedisLink, redis_prefix: str) -> ScriptCalls:
    return await ScriptCalls(redis_link, redis_prefix).with_valid_counters()


@pytest.fixture
def answers(redis_link: RedisLink, redis_prefix: str, clock: MovableClock) -> StaleAnswers:
    return StaleAnswers(redis_link, AnswerCodec(), clock, prefix=redis_prefix)


async def store(calls: ScriptCalls, *, stale: float = DAY, now: float = NOON) -> None:
    """The answer to the question "q", as a call leaves it."""
    ask = calls.request("q", [], now=now)
    gone = await calls.scripts.admit(ask)
    assert isinstance(gone, SendUpstream)
    head, body = AnswerCodec().pack(ANSWER)
    await calls.settle(ask, gone.dataset_id, head=head, body=body, fresh_seconds=TTL, stale_seconds=stale, now=now)


@pytest.mark.parametrize(
    ("age", "kind"),
    [(0.0, CacheHit), (TTL - 1, CacheHit), (TTL, SendUpstream), (TTL + 1, SendUpstream), (DAY, SendUpstream)],
)
async def test_only_a_fresh_answer_is_a_hit(calls: ScriptCalls, age: float, kind: type) -> None:
    await store(calls)
    decision = await calls.scripts.admit(calls.request("q", [], now=NOON + age))
    assert isinstance(decision, kind)


@pytest.mark.parametrize(("age", "found"), [(0.0, True), (TTL, True), (TTL + DAY, True), (TTL + DAY + 1, False)])
async def test_an_old_one_is_found_for_as_long_as_it_will_do(
    calls: ScriptCalls, answers: StaleAnswers, clock: MovableClock, age: float, found: bool
) -> None:
    await store(calls)
    clock.at(NOON + age)
    answer = await answers.find("q", stale_for=DAY)
    assert (answer is not None) is found
    if answer is not None:
        assert (answer.body, answer.served_by, answer.echo) == (ANSWER.body, ANSWER.served_by, ANSWER.echo)
        assert (answer.stored_at, answer.fresh_until) == (NOON, NOON + TTL)


async def test_it_is_kept_for_no_longer_than_that(calls: ScriptCalls, redis_link: RedisLink) -> None:
    for stale, expected in ((DAY, TTL + DAY), (0.0, TTL)):
        await store(calls, stale=stale)
        left = int(await redis_link.command("PTTL", f"{calls.key_prefix}:answer:q")) / 1000
        assert left == pytest.approx(expected, abs=30)
        await redis_link.command("DEL", f"{calls.key_prefix}:answer:q")


async def test_a_new_answer_takes_the_old_ones_place(
    calls: ScriptCalls, answers: StaleAnswers, clock: MovableClock
) -> None:
    await store(calls)
    later = NOON + 2 * TTL
    await store(calls, now=later)
    clock.at(later)
    answer = await answers.find("q", stale_for=0)
    assert answer is not None
    assert answer.stored_at == later
    assert isinstance(await calls.scripts.admit(calls.request("q", [], now=later + 1)), CacheHit)


@pytest.mark.parametrize(("age", "what"), [(1.0, "requests"), (2 * TTL, "budget")])
async def test_a_refusal_speaks_of_money_only_where_some_would_be_spent(
    calls: ScriptCalls, age: float, what: str
) -> None:
    await store(calls)
    now, broke = NOON + age, [LimitScope(name="key/a", rpm=1, budget_day=0)]
    await calls.admit("its only request", broke, now=now, fingerprint="other", only_stored=True)
    refused = await calls.admit("q", broke, now=now, cost_nanos=50)
    assert isinstance(refused, LimitRejection)
    assert refused.kind == what


@pytest.mark.parametrize("fingerprint", ["", "never-asked"])
async def test_there_may_be_none(answers: StaleAnswers, fingerprint: str) -> None:
    assert await answers.find(fingerprint, stale_for=DAY) is None


async def test_an_answer_of_an_earlier_version_is_fresh_while_it_lasts(
    calls: ScriptCalls, redis_link: RedisLink, answers: StaleAnswers
) -> None:
    await store(calls)
    await redis_link.command("HDEL", f"{calls.key_prefix}:answer:q", "until")
    assert isinstance(await calls.scripts.admit(calls.request("q", [], now=NOON + 2 * TTL)), CacheHit)
    assert await answers.find("q", stale_for=DAY) is not None


async def test_while_redis_is_away_there_is_none(clock: MovableClock) -> None:
    link = RedisLink("redis://127.0.0.1:9", timeout=0.2, clock=clock)
    answers = StaleAnswers(link, AnswerCodec(), clock, prefix="x")
    assert await answers.find("q", stale_for=DAY) is None
    await link.close()
