"""The account in Redis comes to the figures of the pure rules, closes in time, and survives a dead process."""

import random

import msgspec
import pytest

from tidegate.cache.semantic.account import AccountChange, AccountFigures, Rules, is_open, with_change
from tidegate.cache.semantic.state.accounts import AccountKey, AccountState, AccountStore, Act
from tidegate.core.clock import ManualClock
from tidegate.storage.redis import RedisLink

KEY = AccountKey(mode="on", project="t/a:x", scope="s1")
RULES = Rules(delta=0.02)
WRONG = AccountChange(audited_wrong=1.0, wrong=1.0, spent=1.0)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(1000.0)


@pytest.fixture
def store(redis_link: RedisLink, redis_prefix: str, clock: ManualClock) -> AccountStore:
    return AccountStore(redis_link, clock, prefix=redis_prefix, judge_seconds=60.0)


async def test_the_figures_are_those_of_the_pure_rules(store: AccountStore) -> None:
    coin = random.Random(1)  # noqa: S311  # repeatable on purpose
    expected = AccountFigures()
    for number in range(120):
        state = await store.enter(KEY, RULES)
        expected = msgspec.structs.replace(expected, requests=expected.requests + 1)
        assert state.figures.requests == expected.requests
        charge = coin.random() / 50
        change = AccountChange(
            audited_wrong=float(coin.random() < 0.01),
            unaudited_risk=charge,
            sampled_variance=coin.random() / 50,
            light_risk=coin.random() / 50,
            spent=charge,
        )
        assert await store.settle(KEY, RULES, Act.NOTE, f"r{number}", change)
        expected = with_change(expected, change, RULES)
    found = await store.read("on", KEY.project)
    assert msgspec.structs.astuple(found) == pytest.approx(msgspec.structs.astuple(expected), rel=1e-12)


async def test_requests_that_take_no_part_are_counted_with_the_next_one(store: AccountStore) -> None:
    for _ in range(1005):
        store.count_later("on", KEY.project)
    assert (await store.enter(KEY, RULES)).figures.requests == 1001
    assert (await store.enter(KEY, RULES)).figures.requests == 1007


async def test_answers_that_are_not_judged_yet_close_the_account(store: AccountStore) -> None:
    """At most two may be wrong of a young account: many processes at once get no more than that out of it."""
    await store.enter(KEY, RULES)
    done = [await store.settle(KEY, RULES, Act.HOLD, f"r{number}", AccountChange()) for number in range(9)]
    figures = await store.read("on", KEY.project)
    assert done.count(True) == figures.pending == 2
    assert not is_open(figures, RULES)


async def test_a_verdict_counts_once(store: AccountStore) -> None:
    await store.enter(KEY, RULES)
    await store.settle(KEY, RULES, Act.HOLD, "r1", AccountChange())
    assert await store.settle(KEY, RULES, Act.JUDGE, "r1", WRONG)
    assert not await store.settle(KEY, RULES, Act.JUDGE, "r1", WRONG)
    figures = await store.read("on", KEY.project)
    assert (figures.audited_wrong, figures.pending) == (1.0, 0)


async def test_an_answer_whose_verdict_never_comes_was_wrong(store: AccountStore, clock: ManualClock) -> None:
    """A process that dies after it gave an answer leaves it pending, and nothing makes the account kinder."""
    await store.enter(KEY, RULES)
    await store.settle(KEY, RULES, Act.HOLD, "r1", AccountChange())
    clock.advance(61.0)
    figures = (await store.enter(KEY, RULES)).figures
    assert (figures.audited_wrong, figures.pending) == (1.0, 0)
    assert not await store.settle(KEY, RULES, Act.JUDGE, "r1", AccountChange())


async def test_what_was_measured_in_shadow_pays_for_nothing_that_is_given(store: AccountStore) -> None:
    await store.enter(msgspec.structs.replace(KEY, mode="shadow"), RULES)
    assert (await store.read("on", KEY.project)).requests == 0


async def test_the_tally_of_a_scope_counts_what_was_given(store: AccountStore) -> None:
    await store.enter(KEY, RULES)
    await store.settle(KEY, RULES, Act.CHARGE, "r1", AccountChange())
    await store.settle(KEY, RULES, Act.HOLD, "r2", AccountChange())
    await store.settle(KEY, RULES, Act.JUDGE, "r2", WRONG, tally_wrong=2.0)
    state = await store.enter(KEY, RULES)
    assert (state.answered, state.wrong) == (2, 2.0)
    other = await store.enter(msgspec.structs.replace(KEY, scope="s2"), RULES)
    assert (other.answered, other.figures.requests) == (0, 3)


@pytest.mark.parametrize(
    ("given", "wrong", "is_scope_open"), [(199, 50.0, True), (200, 10.0, True), (200, 11.0, False), (1000, 49.0, True)]
)
def test_a_scope_closes_when_too_many_of_its_answers_are_wrong(given: int, wrong: float, is_scope_open: bool) -> None:
    state = AccountState(figures=AccountFigures(), answered=given, wrong=wrong)
    assert state.is_scope_open(0.05) is is_scope_open
