"""A request's own headers override the options."""

import pytest

from tidegate.simulator.faults import Fault
from tidegate.simulator.options import Options, request_behavior
from tidegate.simulator.refusal import Refusal


def test_without_headers_the_options_count() -> None:
    how = request_behavior(Options(latency=1, ttft=2, tps=3, tokens=4), {}, Fault.STALL)
    assert (how.latency, how.ttft, how.tps, how.tokens, how.fault) == (1, 2, 3, 4, Fault.STALL)


def test_with_headers_they_count() -> None:
    names = ("latency", "ttft", "tps", "tokens")
    headers = {f"x-simulate-{name}": str(number) for number, name in enumerate(names)}
    how = request_behavior(Options(latency=9, ttft=9), {**headers, "x-simulate-fault": "timeout"}, Fault.STALL)
    assert (how.latency, how.ttft, how.tps, how.tokens, how.fault) == (0, 1, 2, 3, Fault.TIMEOUT)


@pytest.mark.parametrize(("option", "value", "strict"), [(True, "false", False), (False, "true", True)])
def test_a_request_may_want_to_be_refused_or_not(option: bool, value: str, strict: bool) -> None:
    options = Options(strict=option)
    assert request_behavior(options, {}, None).strict is option
    assert request_behavior(options, {"x-simulate-strict": value}, None).strict is strict


def test_a_request_may_want_no_fault() -> None:
    assert request_behavior(Options(), {"x-simulate-fault": "none"}, Fault.STALL).fault is None


def test_a_request_may_choose_tokens_and_tools() -> None:
    headers = {"x-simulate-usage": "cached=20, cache_write=30", "x-simulate-tools": "web_search=3,"}
    how = request_behavior(Options(), {**headers, "x-simulate-tool-usage": "false"}, None)
    assert (how.usage, how.tools) == ({"cached": 20, "cache_write": 30}, {"web_search": 3})
    assert not how.states_tool_usage


@pytest.mark.parametrize(
    ("header", "value"),
    [
        ("x-simulate-usage", "smell=3"),
        ("x-simulate-usage", "cached"),
        ("x-simulate-usage", "cached=-1"),
        ("x-simulate-tools", "tea_making=1"),
    ],
)
def test_counts_are_of_known_kinds(header: str, value: str) -> None:
    with pytest.raises(Refusal, match=header) as no:
        request_behavior(Options(), {header: value}, None)
    assert no.value.status == 400


@pytest.mark.parametrize(
    ("header", "value"),
    [("x-simulate-tps", "fast"), ("x-simulate-latency", "-1"), ("x-simulate-ttft", "nan"),
     ("x-simulate-tokens", "inf"), ("x-simulate-fault", "lightning"),
     ("x-simulate-strict", "maybe")],
)  # fmt: skip
def test_what_a_header_cannot_mean_is_refused(header: str, value: str) -> None:
    with pytest.raises(Refusal, match=value) as no:
        request_behavior(Options(), {header: value}, None)
    assert no.value.status == 400
