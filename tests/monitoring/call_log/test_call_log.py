"""Which calls get a line: by level, by sample, and of a flood of refusals the first ones and their number."""

from random import SystemRandom
from typing import Any

import msgspec
import pytest

from tests.observed_calls import report_of
from tidegate.core.call_report import CallClass
from tidegate.core.clock import ManualClock
from tidegate.core.config import CallLogConfig
from tidegate.core.process.line_writer import LineWriter
from tidegate.core.process.refusal_window import MAX_SINGLE
from tidegate.monitoring.call_log.call_log import CallLog
from tidegate.monitoring.call_log.shapes import plain

ALL = {kind: report_of(call_class=kind) for kind in CallClass}


async def lines_of(reports: list[Any], **config: Any) -> list[dict[str, Any]]:
    written: list[bytes] = []
    writer = LineWriter(written.append)
    call_log = CallLog(CallLogConfig(**config), plain, writer, clock=ManualClock(), random=SystemRandom())
    await call_log.start()
    for report in reports:
        call_log.observe(report)
    await call_log.close()
    return [msgspec.json.decode(line) for line in b"".join(written).splitlines()]


@pytest.mark.parametrize(
    ("config", "classes"),
    [
        ({}, set(CallClass)),
        ({"level": "errors"}, {"failed", "refused", "degraded"}),
        ({"sample_ratio": 0.0}, {"failed", "refused", "degraded", "client_gone"}),
    ],
)
async def test_the_level_and_the_sample_leave_no_error_out(config: Any, classes: set[str]) -> None:
    assert {line["class"] for line in await lines_of(list(ALL.values()), **config)} == classes


async def test_a_sample_is_a_share_of_the_answered_calls() -> None:
    assert 400 < len(await lines_of([ALL[CallClass.ANSWERED]] * 1000, sample_ratio=0.5)) < 600


async def test_a_flood_of_refusals_is_a_few_lines_and_their_number() -> None:
    lines = await lines_of([report_of(call_class=CallClass.REFUSED, outcome="rate_limit_exceeded")] * 5000)
    assert len(lines) == MAX_SINGLE + 1
    assert sum(1 + line.get("repeats", 0) for line in lines) == 5000
