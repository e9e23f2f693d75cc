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


def test_a_request_may_want_no_fault() -> None:
    assert request_behavior(Options(), {"x-simulate-fault": "none"}, Fault.STALL).fault is None


@pytest.mark.parametrize(
    ("header", "value"),
    [("x-simulate-tps", "fast"), ("x-simulate-latency", "-1"), ("x-simulate-ttft", "nan"),
     ("x-simulate-tokens", "inf"), ("x-simulate-fault", "lightning")],
)  # fmt: skip
def test_what_a_header_cannot_mean_is_refused(header: str, value: str) -> None:
    with pytest.raises(Refusal, match=value) as no:
        request_behavior(Options(), {header: value}, None)
    assert no.value.status == 400
