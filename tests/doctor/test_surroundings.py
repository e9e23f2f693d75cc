"""Providers, clocks, time limits, keys and money are judged by rules: each defect gives its own line and remedy."""

from collections.abc import Iterable

import pytest

from tidegate.doctor.finding import DoctorFinding, Verdict, worst
from tidegate.doctor.surroundings import (
    CredentialFacts,
    KeyEnd,
    ServerFacts,
    ServingFacts,
    budget_findings,
    credential_finding,
    drift_finding,
    key_findings,
    price_finding,
    secret_finding,
    server_findings,
    serving_findings,
    skew_finding,
)

GOOD, DOUBTFUL, BAD = Verdict
SERVER = ServerFacts(provider="openai", host="api.openai.com", certificate_days=60, skew=0.2)
NOW = 1_790_000_000.0

CASES: list[tuple[Iterable[DoctorFinding], str, Verdict]] = [
    (server_findings(SERVER), "upstream_clock", GOOD),
    (server_findings(ServerFacts(provider="p", host="h", dns_error="x")), "upstream_dns", BAD),
    (server_findings(ServerFacts(provider="p", host="h", connect_error="x")), "upstream_connect", BAD),
    (server_findings(ServerFacts(provider="p", host="h", tls_error="x")), "upstream_tls", BAD),
    (server_findings(ServerFacts(provider="p", host="h", certificate_days=13)), "upstream_tls", DOUBTFUL),
    ([skew_finding("c", "x", -4.9)], "c", GOOD),
    ([skew_finding("c", "x", 5)], "c", DOUBTFUL),
    ([skew_finding("c", "x", -60)], "c", BAD),
    ([credential_finding(CredentialFacts(name="p/c"))], "credential", GOOD),
    ([credential_finding(CredentialFacts(name="p/c", error="e"))], "credential", BAD),
    ([credential_finding(CredentialFacts(name="p/c", error="e", refused=False))], "credential", DOUBTFUL),
    ([credential_finding(CredentialFacts(name="p/c", state="limited"))], "credential", DOUBTFUL),
    ([credential_finding(CredentialFacts(name="p/c", state="out_of_quota"))], "credential", BAD),
    ([credential_finding(CredentialFacts(name="p/c", state="suspended"))], "credential", BAD),
    (serving_findings(ServingFacts()), "probe", GOOD),
    (serving_findings(ServingFacts(platform="Docker", stop_seconds=10)), "platform_stop", DOUBTFUL),
    (serving_findings(ServingFacts(keep_alive_seconds=60)), "keep_alive", DOUBTFUL),
    (serving_findings(ServingFacts(ping_seconds=60)), "ping", DOUBTFUL),
    ([price_finding({})], "prices", GOOD),
    ([price_finding({"m": 3})], "prices", BAD),
    (budget_findings([("Key k", "The budget is small.")]), "budgets", DOUBTFUL),
    (key_findings([KeyEnd(key_id="k", ends_at=NOW + 60, is_replaced=True, last_used_at=NOW)], now=NOW),
     "key_end", DOUBTFUL),
    ([secret_finding("auth.admin_key", "env:A", "")], "secret", GOOD),
    ([secret_finding("auth.admin_key", "env:A", "It is missing.")], "secret", BAD),
    ([drift_finding("2026-11-29", 98, 100)], "drift", GOOD),
    ([drift_finding("2026-11-29", 97, 100)], "drift", DOUBTFUL),
]  # fmt: skip


@pytest.mark.parametrize(("findings", "check", "verdict"), CASES, ids=lambda each: str(each)[:20])
def test_a_fact_is_judged(findings: Iterable[DoctorFinding], check: str, verdict: Verdict) -> None:
    found = list(findings)
    assert verdict in [each.verdict for each in found if each.check == check], found
    others = [each for each in found if each.check != check]
    assert worst(others) is GOOD, others
    assert all(bool(each.remedy) == (each.verdict is not GOOD) for each in found)


@pytest.mark.parametrize(
    ("end", "count"),
    [
        (KeyEnd(key_id="k", ends_at=NOW + 60, is_replaced=False, last_used_at=NOW - 100_000), 0),
        (KeyEnd(key_id="k", ends_at=NOW + 60, is_replaced=False), 0),
        (KeyEnd(key_id="k", ends_at=NOW - 60, is_replaced=False, last_used_at=NOW), 0),
        (KeyEnd(key_id="k", ends_at=NOW + 90_000, is_replaced=False, last_used_at=NOW), 0),
        (KeyEnd(key_id="k", ends_at=NOW + 60, is_replaced=False, last_used_at=NOW), 1),
    ],
)
def test_only_a_key_that_is_in_use_and_ends_soon_is_named(end: KeyEnd, count: int) -> None:
    assert len(list(key_findings([end], now=NOW))) == count
