"""Figures of a busy gateway, in the shapes of the events and of the admin API."""

import math
import time
from typing import Any

from tests.harness import Json

AT = float(int(time.time()))
"""Now: the page shows times relative to the gateway's."""

_CREDENTIALS = [
    ("openai", "default", "healthy"),
    ("openai", "second", "out_of_quota"),
    ("azure", "sweden", "suspended"),
]
_TARGETS = [
    ("openai", "gpt-4o-mini", "closed"),
    ("openai", "gpt-5.2-chat-latest-with-a-name-that-is-long", "open"),
    ("azure", "gpt-4o", "half_open"),
]
_QUOTA = "You exceeded your current quota, please check your plan and billing details."


def overview() -> Json:
    """Return what the stream sends."""
    return {
        "at": AT,
        "range": "1h",
        "degraded": [],
        "spend": _spend(),
        "calls": _calls(),
        "latency": {
            "first_content_ms": {"p50": 412.0, "p95": 1240.0},
            "whole_ms": {"p50": 2310.0, "p95": 12_400.0},
            "gateway_share_ms": {"p50": 0.9, "p95": 3.1},
        },
        "cache": {
            "hits": 2400,
            "joined": 310,
            "stale": 12,
            "misses": 9600,
            "hit_share": 0.2209,
            "saved_usd": "3.210000000",
        },
        "queue": {
            "waiting": 3,
            "oldest_wait_ms": 4200.0,
            "lanes": [{"model": "openai/gpt-4o", "waiting": 3, "oldest_wait_ms": 4200.0}],
        },
        "targets": [{"provider": provider, "model": model, "state": state} for provider, model, state in _TARGETS],
        "credentials": [
            {
                "provider": provider,
                "name": name,
                "state": state,
                "reason": _QUOTA if state == "out_of_quota" else None,
                "until": None,
            }
            for provider, name, state in _CREDENTIALS
        ],
        "alerts": _overview_alerts(),
        "stores": {
            "redis": {"state": "ok", "used_bytes": 214_000_000},
            "postgresql": {"state": "ok", "used_bytes": 8_400_000_000},
            "spool": {"entries": 0, "bytes": 0},
            "drain_lag_seconds": 1.0,
        },
        "replicas": 3,
    }


def healthy() -> Json:
    """Return figures of a gateway on which nothing is wrong."""
    figures = overview()
    figures["calls"] = {**figures["calls"], "errors": [], "failed": 0}
    figures["calls"]["series"] = [{**point, "errors": 0} for point in figures["calls"]["series"]]
    figures["targets"] = [{**each, "state": "closed"} for each in figures["targets"]]
    figures["credentials"] = [{**each, "state": "healthy", "reason": None} for each in figures["credentials"]]
    return figures


def answers() -> dict[str, Any]:
    """Return the answers of the admin API, by path."""
    return {
        "upstream": {
            "object": "upstream",
            "targets": [_upstream(f"{provider}/{name}", state) for provider, name, state in _TARGETS],
            "credentials": [_upstream(f"{provider}/{name}", state) for provider, name, state in _CREDENTIALS],
        },
        "alerts": _alerts(),
        "keys": {"object": "list", "has_more": False, "last": None, "data": [key(index) for index in range(6)]},
        "budgets": {"object": "list", "has_more": False, "last": None, "is_complete": True, "data": _budgets()},
        "conversations": {"data": [_conversation(index) for index in range(4)], "next_before": None},
        "conversations/conv_1": _reading(),
        "POST keys": {**key(9), "name": "evaluation", "key": "sk-tg-shown-once"},
        "POST keys/key_1/rotate": {**key(1), "key": "sk-tg-turned-once"},
    }


def key(index: int) -> Json:
    """Return a key of the admin API."""
    limits: Json = dict.fromkeys(("rpm", "rpd", "tpm", "concurrency", "budget_day_usd", "budget_week_usd"))
    return {
        "id": f"key_{index}",
        "project": ("shop", "search", "night-batch")[index % 3],
        "name": ("", "checkout service", "nightly evaluation")[index % 3],
        "hint": f"a{index}b7",
        "admin": index == 3,
        "state": ("active", "active", "expired", "revoked")[index % 4],
        "created_at": AT - 9e6,
        "expires_at": AT + 86_400 * 9 if index == 1 else None,
        "revoked_at": None,
        "limits": {**limits, "budget_month_usd": "40.00" if index % 2 else None},
        "priority": None,
        "models": [],
        "last_used_at": AT - 60 * index**3 if index else None,
        "replaced": None,
        "warnings": [],
    }


def _spend() -> Json:
    return {
        "today_usd": "12.340000000",
        "month_usd": "1234.567890000",
        "saved_today_usd": "3.210000000",
        "day_ends_at": AT + 20_000,
        "month_ends_at": AT + 900_000,
        "zone": "Europe/Berlin",
        "projected_month_usd": "1890.120000000",
        "budgets": [
            _budget("project", "shop", "120", "96.5", "3"),
            _budget("key", "nightly evaluation", "40", "8.2", "0"),
        ],
    }


def _calls() -> Json:
    return {
        "total": 12_345,
        "answered": 12_101,
        "refused": 180,
        "failed": 64,
        "series": [_point(index) for index in range(60)],
        "errors": [
            _error("insufficient_quota", _QUOTA, "openai/gpt-4o-mini", 41, ours=False),
            _error("rate_limit_exceeded", "Rate limit reached for gpt-4o.", "azure/gpt-4o", 20, ours=False),
            _error("redis_unavailable", None, None, 3, ours=True),
        ],
    }


def _overview_alerts() -> list[Json]:
    return [
        {"name": "slow", "state": "well", "since": AT - 90_000, "muted_until": None, "text": ""},
        {
            "name": "errors",
            "state": "firing",
            "since": AT - 420,
            "muted_until": None,
            "text": "2.1 % of calls fail",
        },
        {"name": "cost", "state": "well", "since": None, "muted_until": None, "text": ""},
    ]


def _point(index: int) -> Json:
    calls = round(200 + 60 * math.sin(index / 7) + 17 * math.sin(index * 2.3))
    errors = 12 if 44 < index < 50 else index % 2
    return {
        "at": AT - (60 - index) * 60,
        "calls": calls,
        "errors": errors,
        "hits": calls // 4,
        "cost_usd": f"{calls / 900:.9f}",
    }


def _budget(scope: str, name: str, limit: str, spent: str, held: str) -> Json:
    amounts = {"limit_usd": limit, "spent_usd": spent, "held_usd": held}
    return {"scope": scope, "name": name, "period": "month", **amounts, "ends_at": AT + 900_000}


def _error(error: str, message: str | None, target: str | None, count: int, *, ours: bool) -> Json:
    return {
        "error": error,
        "upstream_message": message,
        "target": target,
        "count": count,
        "last_at": AT - 42,
        "ours": ours,
    }


def _upstream(name: str, state: str) -> Json:
    failed = state in ("out_of_quota", "open", "half_open")
    error = "insufficient_quota" if state == "out_of_quota" else "server_error"
    reason = {"error": error if failed else None, "message": _QUOTA if failed else None}
    return {"name": name, "state": state, "since": "2026-11-30T08:12:00Z" if failed else None, "until": None, **reason}


def _alerts() -> Json:
    quiet: Json = {"is_enabled": True, "is_firing": False, "since": None, "what": None, "fault": None, "causes": []}
    firing = {"is_firing": True, "since": "2026-11-30T08:12:00Z", "what": "2.1 % of calls fail", "fault": "account"}
    causes = ["openai/second: " + _QUOTA, "20 calls: rate_limit_exceeded"]
    delivery = {"id": "m1", "channel": "slack", "title": "Calls fail: the account has no quota", "attempts": 1}
    times = {"made_at": "2026-11-30T08:12:01Z", "delivered_at": "2026-11-30T08:12:02Z", "last_error": None}
    return {
        "object": "alerts",
        "alerts": [
            {**quiet, "alert": "slow"},
            {**quiet, "alert": "errors", **firing, "causes": causes},
            {**quiet, "alert": "cost", "is_enabled": False},
        ],
        "muted_until": None,
        "channels": ["slack", "webhook"],
        "deliveries": [{**delivery, **times}],
    }


def _budgets() -> list[Json]:
    usual = {"project": None, "key_id": None, "name": None, "user": None, "tag": None, "period": "month"}
    rest = {"is_nearly_used": False, "renews_at": AT + 900_000}
    return [
        {
            **usual,
            **rest,
            "kind": "all",
            "spent_usd": "1234.56789",
            "reserved_usd": "1.5",
            "budget_usd": "2000",
            "used_ratio": 0.618,
        },
        {
            **usual,
            **rest,
            "kind": "project",
            "project": "shop",
            "spent_usd": "96.5",
            "reserved_usd": "3",
            "budget_usd": "120",
            "used_ratio": 0.829,
        },
        {
            **usual,
            **rest,
            "kind": "tag",
            "project": "shop",
            "tag": "tenant=acme",
            "spent_usd": "0.0042",
            "reserved_usd": "0",
            "budget_usd": None,
            "used_ratio": None,
        },
    ]


def _conversation(index: int) -> Json:
    return {
        "id": f"conv_{index}",
        "project": "shop",
        "kind": ("found", "chain")[index % 2],
        "at": AT - 3000 * index - 70,
        "items": 4 if index % 2 else None,
        "end_user": ("ada", None)[index % 2],
        "excerpt": "When is **high tide** in Husum, and may I still walk to the island before it comes in?",
    }


def _reading() -> Json:
    said = [
        ("user", "When is high tide in Husum?"),
        ("assistant", "At 14:32 today.\n\nIt comes in about two hours earlier, so start back before noon."),
        ("user", "Thanks!"),
    ]
    rest = {"type": "message", "end_user": "ada", "is_cut": False}
    items = [
        {
            "n": n,
            "id": f"msg_{n}",
            "role": role,
            "output": role == "assistant",
            "at": AT - 600 + n,
            "text": text,
            **rest,
        }
        for n, (role, text) in enumerate(said)
    ]
    about = {"project": "shop", "id": "conv_1", "kind": "chain", "created_at": AT - 600, "parent": None}
    return {**about, "parent_seq": None, "items": items, "has_more": False, "last": None}
