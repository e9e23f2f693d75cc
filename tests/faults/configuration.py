"""The gateway's configuration for the table.

Each case has its own provider and route, so that failures of one case do not open the breaker of another.
"""

from collections.abc import Mapping
from typing import Any

from tests.faults.cases import Case, FallbackSetup
from tests.faults.faults import UpstreamEndpoint

CLOCKS = {"connect_seconds": 5.0, "first_byte_seconds": 8.0, "idle_seconds": 8.0, "total_seconds": 20.0}
UNSEEN_PACE = 1_000_000
"""Tokens per second. An unseen answer is charged at its greatest length, however long it took."""
MOST_BYTES = 512 * 1024
FRESH_SECONDS = 1
REDIS_SECONDS = 10.0
"""Redis is well or refuses; it is never slow here, but the process is when 150 silent calls end at once."""
CANNED = "Nobody can answer now. Please try again in a few minutes."
_SPEAKS = ["chat", "responses", "embeddings"]


def sections(
    cases: Mapping[int, Case], addresses: Mapping[UpstreamEndpoint, str], *, second: str, again: bool
) -> dict[str, Any]:
    """Return the sections for these cases, by their numbers; `second` is the address of the working target."""
    providers: dict[str, Any] = {"second": _provider(second, "sk-second")}
    routes: dict[str, Any] = {}
    for number, case in cases.items():
        name = f"first-{number}"
        keys = (
            ("sk-first", "sk-other")
            if case.fallback in (FallbackSetup.CREDENTIAL, FallbackSetup.OFF)
            else ("sk-first",)
        )
        providers[name] = _provider(addresses[case.fault.endpoint], *keys)
        routes[case.id] = _route(case, name)
    return {
        "upstream": {"base_url": second, "max_answer_bytes": MOST_BYTES, **CLOCKS},
        "providers": providers,
        "routes": routes,
        "retries": {"max_retries": int(again), "budget_ratio": 1.0, "budget_min": 100_000},
        "metering": {"unseen_tokens_per_second": UNSEEN_PACE, "unknown_model_price": {"input": 10, "output": 40}},
        "cache": {"ttl_seconds": FRESH_SECONDS},
        "redis": {"timeout_seconds": REDIS_SECONDS},
    }


def _provider(address: str, *keys: str) -> dict[str, Any]:
    credentials = [{"name": key.removeprefix("sk-"), "api_key": key} for key in keys]
    return {"kind": "openai", "base_url": address, "credentials": credentials, "endpoints": _SPEAKS}


def _route(case: Case, first: str) -> dict[str, Any]:
    targets = [{"provider": first}]
    if case.fallback in (FallbackSetup.TARGET, FallbackSetup.OFF):
        targets.append({"provider": "second"})
    canned = {"canned_reply": CANNED} if case.fallback in (FallbackSetup.CANNED, FallbackSetup.OFF) else {}
    return {"targets": targets, **canned}
