"""The line of a call has all that an operator asks for, and nothing that a caller could smuggle in."""

from datetime import UTC, datetime

import msgspec
from hypothesis import example, given
from hypothesis import strategies as st

from tests.observed_calls import report_of
from tidegate.monitoring.call_log.line import MAX_TEXT_LENGTH, line_of

KEY = "sk-proj-abcdefghijklmnop"


def test_it_names_who_asked_what_and_who_answered() -> None:
    report = report_of(
        cost_nanos=1_500_000_000, attempts=2, fallback_step="credential", answer_from=None, cached_tokens=4
    )
    line = msgspec.json.decode(msgspec.json.encode(line_of(report)))
    assert line == {
        "time": "2026-09-21T14:13:20.000+00:00", "severity": "INFO", "message": "call answered", "request_id": "req_1",
        "class": "answered", "outcome": "ok", "status": 200, "project": "shop", "key_id": "key_1",
        "key_last_four": "abcd", "route": "chat", "model": "gpt-4o-mini", "served_model": "gpt-4o-mini-2024-07-18",
        "provider": "openai", "credential": "default", "cache": "miss", "fallback_step": "credential", "attempts": 2,
        "cached_tokens": 4, "cost_usd": 1.5, "total_ms": 812, "queue_ms": 100, "upstream_ms": 700, "gateway_ms": 12,
    }  # fmt: skip


def test_a_key_in_the_models_name_is_removed_and_a_long_name_cut() -> None:
    assert KEY not in line_of(report_of(outcome="model_not_allowed", model=f"x {KEY}")).model
    assert len(line_of(report_of(model="m" * 5000)).model) == MAX_TEXT_LENGTH


@given(at=st.floats(min_value=0, max_value=4e9))
@example(at=1_790_000_000.9999999)
@example(at=1_790_000_000.0005)
def test_its_time_is_that_of_the_calls_arrival_to_the_millisecond(at: float) -> None:
    assert line_of(report_of(at=at)).time == datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds")


def test_a_half_character_harms_no_line() -> None:
    assert msgspec.json.encode(line_of(report_of(outcome="server_error", model="\ud800")))
