"""What the stores say of themselves is judged by a rule: each defect gives its own line and remedy, and no other."""

from collections.abc import Iterable

import pytest

from tidegate.doctor.finding import DoctorFinding, Verdict, worst
from tidegate.doctor.stores import (
    LedgerFacts,
    PostgresFacts,
    RedisFacts,
    SpoolFacts,
    ledger_findings,
    postgres_findings,
    redis_findings,
    spool_findings,
)

GOOD, DOUBTFUL, BAD = Verdict

CASES: list[tuple[Iterable[DoctorFinding], str, Verdict]] = [
    (postgres_findings(PostgresFacts(seconds=0.001)), "postgres_pool", GOOD),
    (postgres_findings(PostgresFacts(seconds=0.5)), "postgres_speed", DOUBTFUL),
    (postgres_findings(PostgresFacts(seconds=0, encoding="LATIN1")), "postgres_encoding", BAD),
    (postgres_findings(PostgresFacts(seconds=0, missing_steps=("0002.x",))), "postgres_schema", BAD),
    (postgres_findings(PostgresFacts(seconds=0, read_only=True)), "postgres_writable", BAD),
    (postgres_findings(PostgresFacts(seconds=0, pool_size=20, workers=5)), "postgres_pool", GOOD),
    (postgres_findings(PostgresFacts(seconds=0, pool_size=20, workers=6)), "postgres_pool", BAD),
    (postgres_findings(PostgresFacts(seconds=0, pool_size=20, workers=5, other_connections=1)), "postgres_pool", BAD),
    (redis_findings(RedisFacts(seconds=0.001)), "redis_speed", GOOD),
    (redis_findings(RedisFacts(seconds=0.2)), "redis_speed", DOUBTFUL),
    (redis_findings(RedisFacts(seconds=0, policy="allkeys-lru")), "redis_policy", BAD),
    (redis_findings(RedisFacts(seconds=0, policy="volatile-ttl")), "redis_policy", DOUBTFUL),
    (redis_findings(RedisFacts(seconds=0, read_only=True)), "redis_writable", BAD),
    (redis_findings(RedisFacts(seconds=0, used_bytes=74, limit_bytes=100)), "redis_memory", GOOD),
    (redis_findings(RedisFacts(seconds=0, used_bytes=75, limit_bytes=100)), "redis_memory", DOUBTFUL),
    (redis_findings(RedisFacts(seconds=0, used_bytes=95, limit_bytes=100)), "redis_memory", BAD),
    (ledger_findings(LedgerFacts(in_stream=999)), "ledger_backlog", GOOD),
    (ledger_findings(LedgerFacts(in_stream=1000)), "ledger_backlog", DOUBTFUL),
    (ledger_findings(LedgerFacts(in_stream=100_000)), "ledger_backlog", BAD),
    (ledger_findings(LedgerFacts(rejected=1)), "ledger_rejected", DOUBTFUL),
    (spool_findings(SpoolFacts(folder="/s")), "spool", GOOD),
    (spool_findings(SpoolFacts(folder="/s", writable=False)), "spool", BAD),
    (spool_findings(SpoolFacts(folder="/s", free_bytes=1)), "spool", BAD),
    (spool_findings(SpoolFacts(folder="/s", entries=1)), "spool", DOUBTFUL),
]  # fmt: skip


@pytest.mark.parametrize(("findings", "check", "verdict"), CASES, ids=lambda each: str(each)[:20])
def test_a_fact_is_judged(findings: Iterable[DoctorFinding], check: str, verdict: Verdict) -> None:
    found = list(findings)
    assert verdict in [each.verdict for each in found if each.check == check], found
    others = [each for each in found if each.check != check]
    assert worst(others) is GOOD, others
    assert all(bool(each.remedy) == (each.verdict is not GOOD) for each in found)
