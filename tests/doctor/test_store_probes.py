"""The stores are asked what they are; the spool is tried by writing."""

from pathlib import Path

import pytest

from tidegate.core.clock import SystemClock
from tidegate.doctor.store_probes import CostComparison, PostgresProbe, RedisProbe, look_at_spool
from tidegate.storage.postgres import Postgres
from tidegate.storage.redis import RedisLink


async def test_postgresql_says_what_it_is(postgres: Postgres) -> None:
    facts = await PostgresProbe(postgres).facts(pool_size=7, workers=3)
    assert (facts.encoding, facts.missing_steps, facts.read_only) == ("UTF8", (), False)
    assert (facts.pool_size, facts.workers, facts.allowed_connections > 10, facts.seconds > 0) == (7, 3, True, True)
    assert abs(await PostgresProbe(postgres).now() - SystemClock().now()) < 30


async def test_redis_says_what_it_is(redis_link: RedisLink) -> None:
    facts = await RedisProbe(redis_link).facts(10**9)
    assert (facts.read_only, facts.used_bytes > 0, (facts.limit_bytes or 0) > 0) == (False, True, True)
    assert abs(await RedisProbe(redis_link).now() - SystemClock().now()) < 30


async def test_the_comparison_of_the_latest_day_is_kept(postgres: Postgres) -> None:
    probe = PostgresProbe(postgres)
    assert await probe.last_comparison() is None
    for day, nanos in (("2026-11-29", 1), ("2026-11-28", 2), ("2026-11-29", 3)):
        await probe.keep_comparison("openai", CostComparison(day=day, ledger_nanos=nanos, provider_nanos=9))
    assert await probe.last_comparison() == CostComparison(day="2026-11-29", ledger_nanos=3, provider_nanos=9)


@pytest.mark.parametrize(("place", "writable"), [("", True), ("not/made/yet", True), ("file/below", False)])
def test_a_spool_is_tried(tmp_path: Path, place: str, writable: bool) -> None:
    (tmp_path / "file").write_text("")
    facts = look_at_spool(tmp_path / place, 4)
    assert facts.writable is writable
    assert list(tmp_path.iterdir()) == [tmp_path / "file"]
