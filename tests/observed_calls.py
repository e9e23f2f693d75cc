"""Reports of calls: made for a test, or kept by an observer of a gateway's calls."""

from typing import Any

import msgspec

from tests.eventually import wait_until
from tidegate.core.call_report import CallClass, CallReport
from tidegate.core.ledger_entry import LedgerEntry

_ENTRY = LedgerEntry(
    id="req_1",
    at=1_790_000_000.0,
    project="shop",
    key_id="key_1",
    end_user=None,
    route="chat",
    model="gpt-4o-mini",
    served_model="gpt-4o-mini-2024-07-18",
    provider="openai",
    outcome="ok",
    cache="miss",
    stream=False,
)
_REPORT = CallReport(
    entry=_ENTRY,
    call_class=CallClass.ANSWERED,
    status=200,
    key_last_four="abcd",
    credential="default",
    error_text=None,
    first_content_ms=None,
    total_ms=812,
    queue_ms=100,
    upstream_ms=700,
    gateway_ms=12,
)


def report_of(**changes: Any) -> CallReport:
    """Return a report with these fields, of the report or of its entry, changed; an `outcome` is a failure."""
    entry = {name: value for name, value in changes.items() if name in LedgerEntry.__struct_fields__}
    rest = {name: value for name, value in changes.items() if name in CallReport.__struct_fields__}
    if "outcome" in entry:
        rest = {"call_class": CallClass.FAILED, "status": 500, **rest}
    return msgspec.structs.replace(_REPORT, entry=msgspec.structs.replace(_ENTRY, **entry), **rest)


class KeptReports:
    """Keeps each report. Implements `CallObserver`."""

    def __init__(self) -> None:
        self.all: list[CallReport] = []

    def observe(self, report: CallReport) -> None:
        """Keep a report."""
        self.all.append(report)

    async def after(self, count: int) -> CallReport:
        """Return the last report, once there are so many."""
        await wait_until(lambda: len(self.all) >= count)
        assert len(self.all) == count, [report.entry for report in self.all]
        return self.all[-1]
