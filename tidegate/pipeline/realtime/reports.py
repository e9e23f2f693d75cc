"""Reports sessions and their responses to those that observe calls. Used by opening.py."""

from tidegate.core.call_report import CallReport
from tidegate.core.errors import TidegateError
from tidegate.core.ledger_entry import LedgerEntry
from tidegate.core.values import Caller
from tidegate.pipeline.call_record import CallReporter, call_class
from tidegate.pipeline.realtime.meter import OnEntry

_OK = 200


def reporting(reporter: CallReporter | None, caller: Caller) -> OnEntry:
    """Return what reports each entry of the caller; without a reporter it does nothing."""

    def report(entry: LedgerEntry, seconds: float, error: TidegateError | None) -> None:
        if reporter is not None:
            status = _OK if error is None else reporter.status_of(error)
            reporter.give(report_of(entry, caller, seconds, error, status=status))

    return report


def report_of(
    entry: LedgerEntry, caller: Caller, seconds: float, error: TidegateError | None, *, status: int
) -> CallReport:
    """Return the report of an entry that is in the ledger; the whole time counts as the upstream's."""
    milliseconds = round(1000 * seconds)
    return CallReport(
        entry=entry,
        call_class=call_class(error, is_degraded=False),
        status=status,
        key_last_four=caller.hint,
        credential=entry.credential,
        error_text=entry.error_text,
        first_content_ms=entry.first_byte_ms,
        total_ms=milliseconds,
        queue_ms=0,
        upstream_ms=milliseconds,
        gateway_ms=0,
    )
