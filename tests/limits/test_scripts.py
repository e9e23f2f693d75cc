"""The scripts decide and count exactly as the plain model does, and no order of events lets more through."""

import itertools
import math
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.limits.script_model import LimitModel, alike
from tests.limits.script_parts import LEASE, NOON, ScriptCalls, ledger_sums
from tidegate.limits.decision import (
    CacheHit,
    Decision,
    JoinFlight,
    LimitRejection,
    NoStoredAnswer,
    RebuildNeeded,
    SendUpstream,
)
from tidegate.limits.scopes import LimitScope, without_request_count
from tidegate.limits.scripts import AdmissionRequest
from tidegate.storage.redis import RedisLink, Script

SHOP, _numbers = LimitScope(name="project/shop"), itertools.count()
DAY, WEEK, MONTH = "2026-11-27", "2026-W48", "2026-11"
BEFORE_MONTH_END = 1_796_083_200.0 - 100.0  # 2026-12-01 00:00 UTC, less 100 s

relaxed = settings(
    max_examples=80,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@pytest.fixture
async def calls(redis_link: RedisLink, redis_prefix: str) -> ScriptCalls:
    return await ScriptCalls(redis_link, redis_prefix).with_valid_counters()


async def fresh(redis_link: RedisLink, redis_prefix: str) -> ScriptCalls:
    """Return scripts under a new prefix, for each example."""
    return await ScriptCalls(redis_link, f"{redis_prefix}-{next(_numbers)}").with_valid_counters()


def as_model(decision: Decision) -> Any:
    """Return the decision in the form of the model."""
    if isinstance(decision, LimitRejection):
        return decision.kind, decision.scope, math.inf if decision.wait is None else decision.wait
    return {CacheHit: "hit", JoinFlight: "join", SendUpstream: "go"}[type(decision)]


RATES = {"rpm": (1, 6), "rpd": (1, 12), "tpm": (50, 600)}
LIMITS = {**RATES, "concurrency": (0, 3), "budget_day": (100, 900), "budget_week": (100, 1500),
          "budget_month": (100, 2000)}  # fmt: skip


def scope(name: str) -> st.SearchStrategy[LimitScope]:
    """Return scopes with at most two limits, so that no limit hides the others."""
    kinds = st.lists(st.sampled_from(sorted(LIMITS)), max_size=2, unique=True)
    limits = kinds.flatmap(lambda names: st.fixed_dictionaries({kind: st.integers(*LIMITS[kind]) for kind in names}))
    return limits.map(lambda chosen: LimitScope(name=name, **chosen))


worlds = st.fixed_dictionaries(
    {name: scope(name) for name in ("key/a", "key/b", "project/shop", "user/shop/ann", "project/far", "all")}
)
CALLER_SCOPES = (
    ("key/a", "project/shop", "all"),
    ("key/a", "project/shop", "user/shop/ann", "all"),
    ("key/b", "project/shop", "all"),
    ("key/b", "project/far", "all"),
)
steps = st.lists(
    st.one_of(
        st.tuples(
            st.just("admit"), st.sampled_from(CALLER_SCOPES), st.integers(0, 1), st.integers(1, 300),
            st.integers(0, 400), st.booleans(),
        ),
        st.tuples(st.just("settle"), st.integers(0, 50), st.integers(0, 300), st.integers(0, 100), st.booleans()),
        st.tuples(st.just("advance"), st.sampled_from((0.001, 0.5, 3.0, 9.7, 20.0, 31.0, 100.0, 50_000.0))),
        st.tuples(st.just("renew")),
    ),
    min_size=10,
    max_size=40,
)  # fmt: skip


@relaxed
@given(world=worlds, steps=steps)
async def test_the_scripts_and_the_model_agree(
    redis_link: RedisLink, redis_prefix: str, world: dict[str, LimitScope], steps: list[tuple[Any, ...]]
) -> None:
    calls = await fresh(redis_link, redis_prefix)
    model, now = LimitModel(), BEFORE_MONTH_END
    in_progress: list[tuple[AdmissionRequest, str]] = []
    for number, step in enumerate(steps):
        match step:
            case ("advance", seconds):
                now = round(now + seconds, 6)
            case ("renew",):
                await calls.scripts.renew(
                    [request.reservation.id for request, _ in in_progress], expires_at=round(now + LEASE, 3)
                )
                model.renew(round(now + LEASE, 3))
            case ("admit", who, question, k, c, claim):
                scopes = [world[name] for name in who]
                request = calls.request(
                    f"r{number}", scopes, now=now, tokens=k, cost_nanos=c, claim=claim, fingerprint=f"q{question}"
                )
                decision = await calls.scripts.admit(request)
                assert alike(as_model(decision), model.admit(request))
                if isinstance(decision, SendUpstream | JoinFlight):
                    in_progress.append((request, decision.dataset_id))
            case ("settle", which, k, share, keep) if in_progress:
                request, dataset_id = in_progress[which % len(in_progress)]  # some more than once, and each time alike
                share = (
                    share if model.active.get(request.reservation.id) or model.lost.get(request.reservation.id) else 0
                )
                c = request.reservation.cost_nanos * share // 100 if _asks(model, request) else 0
                settled = {"cost_nanos": c, "tokens": k, "now": now, "fresh_seconds": 3600.5 if keep else 0}
                await calls.settle(request, dataset_id, head=b"", body=b"", stale_seconds=86_400.0, **settled)
                model.settle(request, **settled)
        await agree(calls, model, now)
        no_more_than_budgets(model, world)


def _asks(model: LimitModel, request: AdmissionRequest) -> bool:
    """Return whether the request went upstream and may have cost something."""
    hold = model.active.get(request.reservation.id)
    return request.reservation.id in model.lost or (hold is not None and hold.spends)


async def agree(calls: ScriptCalls, model: LimitModel, now: float) -> None:
    for kind, counters in (("spent", model.spent), ("held", model.held)):
        for (name, period), nanos in counters.items():
            assert await calls.counter(kind, name, period) == nanos, (kind, name, period)
    for (kind, name), full_at in model.full_at.items():
        kept = float(await calls.link.command("GET", f"{calls.key_prefix}:{kind}:{name}") or 0)
        assert max(kept, now) == pytest.approx(max(full_at, now), abs=1e-5, rel=0), (kind, name)


def no_more_than_budgets(model: LimitModel, world: dict[str, LimitScope]) -> None:
    for name, limits in world.items():
        for period in {period for who, period in model.spent if who == name} | {p for w, p in model.held if w == name}:
            limit = dict(zip((len(DAY), len(WEEK), len(MONTH)), limits.budgets, strict=True))[len(period)]
            committed = model.spent.get((name, period), 0) + model.held.get((name, period), 0)
            assert limit is None or committed <= limit


@relaxed
@given(
    limits=st.tuples(scope("key/a"), scope("project/shop")),
    sizes=st.lists(st.tuples(st.integers(1, 300), st.integers(1, 400)), min_size=1, max_size=20),
)
async def test_the_wait_that_is_stated_is_true(
    redis_link: RedisLink, redis_prefix: str, limits: tuple[LimitScope, ...], sizes: list[tuple[int, int]]
) -> None:
    calls = await fresh(redis_link, redis_prefix)
    now = BEFORE_MONTH_END
    for number, (k, c) in enumerate(sizes):
        decision = await calls.admit(f"r{number}", limits, now=now, tokens=k, cost_nanos=c)
        if isinstance(decision, SendUpstream):
            await calls.settle(
                calls.request(f"r{number}", limits, now=now, tokens=k, cost_nanos=c), decision.dataset_id
            )
        elif isinstance(decision, LimitRejection) and decision.wait is not None:
            just_before = await calls.admit(
                f"e{number}", limits, now=now + decision.wait - 0.001, tokens=k, cost_nanos=c
            )
            assert decision.wait <= 0.001 or isinstance(just_before, LimitRejection)
            now = round(now + decision.wait + 1e-6, 6)
            assert as_model(await calls.admit(f"l{number}", limits, now=now, tokens=k, cost_nanos=c)) == "go"
            await calls.settle(calls.request(f"l{number}", limits, now=now, tokens=k, cost_nanos=c), "m")


@relaxed
@given(
    rpm=st.integers(1, 30),
    tpm=st.integers(20, 500),
    moves=st.lists(st.tuples(st.integers(1, 120), st.sampled_from((0.0, 0.2, 1.0, 7.3, 30.0)), st.integers(0, 120))),
)
async def test_no_interval_lets_more_than_the_limit_and_its_refill_pass(
    redis_link: RedisLink, redis_prefix: str, rpm: int, tpm: int, moves: list[tuple[int, float, int]]
) -> None:
    calls = await fresh(redis_link, redis_prefix)
    now = NOON
    requests: list[tuple[float, int]] = []
    tokens: list[tuple[float, int]] = []
    for number, (k, pause, used) in enumerate(moves):
        now = round(now + pause, 6)
        scopes = [LimitScope(name="key/a", rpm=rpm, tpm=tpm)]
        decision = await calls.admit(f"r{number}", scopes, now=now, tokens=k)
        if isinstance(decision, SendUpstream):
            request = calls.request(f"r{number}", scopes, now=now, tokens=k)
            await calls.settle(request, decision.dataset_id, tokens=min(used, k), now=now)
            requests.append((now, 1))
            tokens.append((now, min(used, k)))
    for limit, passed in ((rpm, requests), (tpm, tokens)):
        for first, last in itertools.combinations(range(len(passed)), 2):
            seconds = passed[last][0] - passed[first][0]
            assert sum(amount for _, amount in passed[first : last + 1]) <= limit * (1 + seconds / 60) + 0.01


async def test_a_hit_is_a_request_but_costs_no_tokens_and_no_budget(calls: ScriptCalls) -> None:
    scopes = [LimitScope(name="key/a", rpm=10, tpm=100, budget_day=500)]
    request = calls.request("first", scopes, fingerprint="q", tokens=100, cost_nanos=500)
    admitted = await calls.scripts.admit(request)
    assert isinstance(admitted, SendUpstream)
    assert (admitted.remaining_limits.requests.remaining, admitted.remaining_limits.tokens.remaining) == (9, 0)  # type: ignore[union-attr]  # it has both
    await calls.settle(request, admitted.dataset_id, cost_nanos=500, fresh_seconds=60, account=b'{"saved_nanos":500}')
    hit = await calls.admit("second", scopes, fingerprint="q", tokens=100, cost_nanos=500)
    assert isinstance(hit, CacheHit)
    assert hit.remaining_limits.requests is not None
    assert (hit.remaining_limits.requests.remaining, hit.remaining_limits.tokens) == (8, None)
    refused = await calls.admit("third", scopes, tokens=100, cost_nanos=1)
    assert isinstance(refused, LimitRejection)
    assert refused.kind == "budget"
    assert await calls.counter("spent", "key/a", DAY) == 500
    assert (await calls.ledger_entries())[-1]["saved_nanos"] == 500


async def test_the_caller_gets_its_tightest_limit(calls: ScriptCalls) -> None:
    decision = await calls.admit("r", [LimitScope(name="key/a", rpm=1000), LimitScope(name="project/shop", rpm=3)])
    assert isinstance(decision, SendUpstream)
    assert decision.remaining_limits.requests is not None
    assert (decision.remaining_limits.requests.limit, decision.remaining_limits.requests.remaining) == (3, 2)
    assert decision.remaining_limits.requests.reset == pytest.approx(20.0)


async def test_only_a_stored_response_is_looked_for_and_nothing_reserved(calls: ScriptCalls) -> None:
    decision = await calls.admit(
        "r", [LimitScope(name="key/a", budget_day=500, concurrency=1)], cost_nanos=400, only_stored=True, claim=False
    )
    assert isinstance(decision, NoStoredAnswer)
    assert await calls.counter("held", "key/a", DAY) == 0
    assert isinstance(
        await calls.admit("s", [LimitScope(name="key/a", budget_day=500, concurrency=1)], cost_nanos=400), SendUpstream
    )


@pytest.mark.parametrize(
    ("limits", "what"),
    [({"rpm": 0}, "requests"), ({"rpd": 0}, "day"), ({"tpm": 0}, "too_large"), ({"concurrency": 0}, "concurrency"),
     ({"budget_day": 0}, "budget"), ({"budget_month": 0}, "budget"),
     ({"budget_week": 0}, "budget"), ({"tpm": 9}, "too_large"), ({"budget_day": 4}, "budget")],
)  # fmt: skip
async def test_a_request_that_can_never_pass_has_no_wait(calls: ScriptCalls, limits: dict[str, int], what: str) -> None:
    decision = await calls.admit("r", [LimitScope(name="key/a", **limits)], tokens=10, cost_nanos=5)
    assert isinstance(decision, LimitRejection)
    assert (decision.kind, decision.wait) == (what, None)


async def test_settling_twice_charges_once(calls: ScriptCalls) -> None:
    scopes = [LimitScope(name="key/a", budget_day=1000, tpm=100)]
    request = calls.request("r", scopes, cost_nanos=900, tokens=50)
    admitted = await calls.scripts.admit(request)
    assert isinstance(admitted, SendUpstream)
    for late in (False, True, True):
        await calls.settle(request, admitted.dataset_id, cost_nanos=300, tokens=20, late=late)
    assert (await calls.counter("spent", "key/a", DAY), await calls.counter("held", "key/a", DAY)) == (300, 0)
    assert ledger_sums(await calls.ledger_entries()) == {"r": 300}


async def test_a_lost_call_is_charged_in_full_until_its_own_line_comes(calls: ScriptCalls) -> None:
    scopes = [LimitScope(name="key/a", budget_day=1000, concurrency=1)]
    request = calls.request("lost", scopes, cost_nanos=900)
    admitted = await calls.scripts.admit(request)
    assert isinstance(admitted, SendUpstream)
    later = NOON + LEASE
    refused = await calls.admit("other", scopes, cost_nanos=200, now=later)
    assert isinstance(refused, LimitRejection)
    assert (refused.kind, refused.used) == ("budget", 900)
    (line,) = await calls.ledger_entries()
    assert (line["id"], line["outcome"], line["cost_nanos"], line["estimated"]) == ("lost", "lost", 900, True)
    assert line["cache"] == "miss"
    await calls.settle(request, admitted.dataset_id, cost_nanos=100)
    assert await calls.counter("spent", "key/a", MONTH) == 100
    assert ledger_sums(await calls.ledger_entries()) == {"lost": 100}
    assert isinstance(await calls.admit("other", scopes, cost_nanos=200, now=later), SendUpstream)


async def test_a_live_process_keeps_its_reservations(calls: ScriptCalls) -> None:
    scopes = [LimitScope(name="key/a", budget_day=1000, concurrency=2)]
    await calls.admit("r", scopes, cost_nanos=900)
    await calls.scripts.renew(["r", "unknown"], expires_at=NOON + 2 * LEASE)
    for now, spent in ((NOON + LEASE + 1, 0), (NOON + 2 * LEASE, 900)):
        await calls.admit(f"probe-{now}", scopes, cost_nanos=200, now=now)
        assert await calls.counter("spent", "key/a", DAY) == spent


async def test_a_call_that_never_went_gives_back_all_of_it(calls: ScriptCalls) -> None:
    scopes = [LimitScope(name="key/a", budget_day=1000, tpm=100, concurrency=1)]
    await calls.admit("r", scopes, cost_nanos=900, tokens=100)
    await calls.scripts.release("r", now=NOON)
    assert isinstance(await calls.admit("s", scopes, cost_nanos=1000, tokens=100), SendUpstream)
    assert await calls.ledger_entries() == []
    await calls.scripts.release("nobody", now=NOON)


async def test_a_lost_request_that_was_never_sent_is_corrected(calls: ScriptCalls) -> None:
    scopes = [LimitScope(name="key/a", budget_day=1000)]
    await calls.admit("r", scopes, cost_nanos=900)
    await calls.admit("s", scopes, cost_nanos=900, now=NOON + LEASE)
    await calls.scripts.release("r", now=NOON + LEASE)
    assert await calls.counter("spent", "key/a", DAY) == 0
    assert ledger_sums(await calls.ledger_entries()) == {"r": 0}


async def test_a_joined_request_that_goes_upstream_counts_once_in_flight(calls: ScriptCalls) -> None:
    scopes = [LimitScope(name="key/a", rpm=2, concurrency=2, budget_day=1000)]
    leader = await calls.admit("leader", scopes, fingerprint="q", cost_nanos=100)
    joiner = calls.request("joiner", scopes, fingerprint="q", cost_nanos=100)
    assert (type(leader), type(await calls.scripts.admit(joiner))) == (SendUpstream, JoinFlight)
    third = await calls.admit("third", [LimitScope(name="key/a", concurrency=2)], cost_nanos=100)
    assert isinstance(third, LimitRejection)
    assert third.kind == "concurrency"
    alone = calls.request(
        "joiner",
        without_request_count(joiner.reservation).scopes,
        fingerprint="q",
        cost_nanos=100,
        claim=False,
        readmitted=True,
    )
    decision = await calls.scripts.admit(alone)
    assert isinstance(decision, SendUpstream)
    assert await calls.counter("held", "key/a", DAY) == 200
    await calls.settle(alone, decision.dataset_id, cost_nanos=50)
    assert isinstance(
        await calls.admit("fourth", [LimitScope(name="key/a", concurrency=2)], cost_nanos=100), SendUpstream
    )


async def test_a_budget_is_not_spent_before_its_counters_are_valid(redis_link: RedisLink, redis_prefix: str) -> None:
    calls = ScriptCalls(redis_link, redis_prefix)
    assert isinstance(await calls.admit("r", [LimitScope(name="key/a", budget_day=1000)], cost_nanos=1), RebuildNeeded)
    free = await calls.admit("free", [LimitScope(name="key/a", budget_day=1000)], cost_nanos=0)
    unlimited = await calls.admit("unlimited", [SHOP], cost_nanos=100)
    for decision in (free, unlimited):
        assert isinstance(decision, SendUpstream)
        assert not decision.counters_valid


async def test_a_reservation_that_redis_lost_is_restored(calls: ScriptCalls) -> None:
    scopes = [LimitScope(name="key/a", budget_day=1000, concurrency=1)]
    request = calls.request("r", scopes, cost_nanos=900)
    before = await calls.scripts.admit(request)
    assert isinstance(before, SendUpstream)
    await calls.delete_all_keys()
    dataset_id = await calls.scripts.dataset_id()
    assert dataset_id != before.dataset_id
    for _ in range(2):
        await calls.scripts.restore(request, spends=True, now=NOON)
    await calls.with_valid_counters()
    assert await calls.counter("held", "key/a", DAY) == 900
    await calls.settle(request, before.dataset_id, cost_nanos=300)
    assert (await calls.counter("spent", "key/a", DAY), await calls.counter("held", "key/a", DAY)) == (300, 0)


async def test_a_call_that_redis_never_knew_is_charged_once(calls: ScriptCalls) -> None:
    request = calls.request("r", [LimitScope(name="key/a", budget_day=1000)], cost_nanos=900)
    for _ in range(2):
        await calls.settle(request, "", cost_nanos=300)
    assert await calls.counter("spent", "key/a", DAY) == 300


async def test_a_late_entry_that_may_be_summed_already_invalidates_the_counters(calls: ScriptCalls) -> None:
    request = calls.request("r", [LimitScope(name="key/a", budget_day=1000)], cost_nanos=900)
    await calls.settle(request, "a dataset_id before this one", cost_nanos=300, late=True)
    assert isinstance(await calls.admit("s", [LimitScope(name="key/a", budget_day=1000)], cost_nanos=1), RebuildNeeded)


async def test_another_run_of_redis_is_another_memory(calls: ScriptCalls) -> None:
    """It may have loaded an old snapshot; the same run is not a restart."""
    arrive, told = Script("detect_restart"), (calls.key_prefix, "run-1", 600)
    assert await calls.link.run(arrive, (), told) == 0, "nothing to warn of: it remembers no other"
    before = await calls.scripts.dataset_id()
    await calls.link.command("SET", f"{calls.key_prefix}:counted", "2:count_1")
    assert await calls.link.run(arrive, (), told) == 0
    assert (await calls.scripts.dataset_id(), await calls.link.command("EXISTS", f"{calls.key_prefix}:counted")) == (
        before,
        1,
    )
    assert await calls.link.run(arrive, (), (calls.key_prefix, "run-2", 600)) == 1
    assert await calls.scripts.dataset_id() != before
    assert await calls.link.command("EXISTS", f"{calls.key_prefix}:counted") == 0


async def test_requests_lost_in_an_old_snapshot_are_charged_by_the_ledger(calls: ScriptCalls) -> None:
    """The requests may have ended since; those whose entries exist are not charged again."""
    scopes = (LimitScope(name="key/449", budget_day=1000),)
    await calls.admit("old", scopes, cost_nanos=900)
    await calls.link.run(Script("detect_restart"), (), (calls.key_prefix, "run-2", 600))
    await calls.with_valid_counters()
    assert isinstance(await calls.admit("new", scopes, now=NOON + LEASE + 1, cost_nanos=100), RebuildNeeded)
    assert await calls.counter("spent", "key/449", DAY) == 0
    assert await calls.counter("held", "key/449", DAY) == 0
    assert ledger_sums(await calls.ledger_entries()) == {"old": 900}
