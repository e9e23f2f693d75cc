"""Replicas keep one picture: the newest word counts, the first to find out knows it, and claims are one's at a time."""

import asyncio

from tests.eventually import PATIENCE_SECONDS
from tidegate.core.clock import SystemClock
from tidegate.core.errors import UpstreamServerError
from tidegate.routing.health import circuit_breaker
from tidegate.routing.health.circuit_breaker import BreakerState
from tidegate.routing.health.store import HealthChange, HealthStore, load_all
from tidegate.storage.redis import RedisLink


def told(at: float, state: BreakerState | None = None, name: str = "breaker openai/m") -> HealthChange:
    state = state or circuit_breaker.open_breaker(UpstreamServerError("No."), at)
    return HealthChange(name=name, at=at, kind=state.circuit.value, breaker=state)


async def test_what_is_told_is_heard_and_kept(redis_link: RedisLink, redis_prefix: str) -> None:
    one, other = (HealthStore(redis_link, prefix=redis_prefix) for _ in range(2))
    heard: asyncio.Queue[HealthChange] = asyncio.Queue()
    await other.start(heard.put_nowait, lambda: None)
    word = told(100.0)
    assert await one.publish(word) == ""
    assert await asyncio.wait_for(heard.get(), PATIENCE_SECONDS) == word
    assert await other.load() == [word]
    await other.close()


async def test_the_newest_word_counts_and_who_comes_late_is_told_it(redis_link: RedisLink, redis_prefix: str) -> None:
    store = HealthStore(redis_link, prefix=redis_prefix)
    newest = told(100.0)
    assert await store.publish(newest) == ""
    assert await store.publish(told(99.0, circuit_breaker.CLOSED)) == newest
    assert await store.publish(told(101.0, circuit_breaker.CLOSED)) == "open"
    assert await store.publish(told(102.0)) == "closed"


async def test_a_claim_is_one_replicas_until_it_is_over(redis_link: RedisLink, redis_prefix: str) -> None:
    one, other = (HealthStore(redis_link, prefix=redis_prefix) for _ in range(2))
    assert await one.claim("trial openai/m", 60.0)
    assert not await other.claim("trial openai/m", 60.0)
    assert await other.claim("trial openai/n", 60.0)


async def test_of_very_many_targets_the_well_and_then_the_oldest_are_forgotten(
    redis_link: RedisLink, redis_prefix: str
) -> None:
    store = HealthStore(redis_link, prefix=redis_prefix)
    key = HealthChange(name="credential openai/main", at=1.0, kind="invalid")
    states = [(n, circuit_breaker.CLOSED if n >= 1050 else None) for n in range(1099)]
    changes = [key, *(told(100.0 + n, state, f"breaker openai/{n}") for n, state in states)]
    await asyncio.gather(*(store.publish(change) for change in changes))
    assert len(await store.load()) == 1100
    await store.publish(told(50.0, name="breaker openai/last"))
    left = {one.name for one in await store.load()}
    assert left == {key.name, "breaker openai/last", *(f"breaker openai/{n}" for n in range(52, 1050))}


async def test_without_redis_nothing_is_known(redis_url: str) -> None:
    away = RedisLink(redis_url, timeout=1.0, clock=SystemClock())
    assert await load_all(HealthStore(away, prefix="x")) is None


async def test_what_another_version_wrote_is_passed_over(redis_link: RedisLink, redis_prefix: str) -> None:
    store = HealthStore(redis_link, prefix=redis_prefix)
    await store.publish(told(100.0))
    odd = b'{"name": "breaker openai/n", "at": 1.0, "kind": "ajar", "breaker": {"circuit": "ajar"}}'
    await redis_link.command("HSET", f"{{{redis_prefix}}}:standing", "breaker openai/n", odd)
    assert await store.load() == [told(100.0)]
