"""What a call's steps note is reported once, when the client's part and the settlement are both over."""

from collections.abc import Callable

import pytest

from tests.observed_calls import KeptReports, report_of
from tidegate.core import endpoints, errors
from tidegate.core.clock import ManualClock
from tidegate.core.errors import TidegateError
from tidegate.core.values import AnswerHead, Outcome
from tidegate.pipeline.call_record import CallRecord, CallReporter, call_class

ENTRY = report_of().entry


class Call:
    """A call under a clock that the test moves."""

    def __init__(self) -> None:
        self.reports = KeptReports()
        self.clock = ManualClock()
        self.record: CallRecord = CallReporter([self.reports], self.clock, lambda _: 503).begin("req_1", endpoints.CHAT)


@pytest.mark.parametrize("settled_first", [True, False])
def test_the_report_waits_for_client_and_settlement_and_comes_once(settled_first: bool) -> None:
    call = Call()
    call.record.await_entry()
    steps: list[Callable[[], None]] = [call.record.end, lambda: call.record.settle(ENTRY, Outcome())]
    first, second = reversed(steps) if settled_first else steps
    first()
    assert call.reports.all == []
    second()
    second()
    call.record.end(TidegateError())
    assert [report.call_class for report in call.reports.all] == ["answered"]


def test_the_time_is_parted_into_queue_upstream_and_gateway() -> None:
    call = Call()
    call.clock.advance(0.01)
    call.record.await_entry()
    call.clock.advance(2.0)
    call.record.note_head(AnswerHead(stream=True, served_by="openai/gpt-4o-mini"))
    call.clock.advance(1.0)
    failed = Outcome(seconds=0.5, error=TidegateError(), credential="first")
    call.record.settle(ENTRY, Outcome(seconds=2.0, queued_ms=400, previous_attempts=(failed,), credential="second"))
    call.record.end()
    [report] = call.reports.all
    assert (report.total_ms, report.queue_ms, report.upstream_ms, report.gateway_ms) == (3010, 400, 2500, 110)
    assert report.credential == "second"


def test_no_share_is_negative_where_the_upstream_outlived_the_client() -> None:
    call = Call()
    call.record.await_entry()
    call.clock.advance(1.0)
    call.record.end(errors.ClientDisconnected())
    call.record.settle(ENTRY, Outcome(seconds=9.0, queued_ms=300))
    [report] = call.reports.all
    assert (report.total_ms, report.queue_ms, report.upstream_ms, report.gateway_ms) == (1000, 300, 700, 0)
    assert (report.call_class, report.status) == ("client_gone", 499)


def test_a_call_that_took_over_a_joined_one_reports_its_upstream_cost() -> None:
    call = Call()
    call.record.await_entry()
    call.record.settle(report_of(id="req_1-again", cost_nanos=5).entry, Outcome())
    call.record.settle_joined(ENTRY)
    call.record.end()
    assert [(report.entry.id, report.entry.cost_nanos) for report in call.reports.all] == [("req_1", 5)]


def test_a_submission_is_no_call_unless_it_is_refused() -> None:
    accepted, refused = Call(), Call()
    for call in (accepted, refused):
        call.record.is_submission = True
    accepted.record.end()
    refused.record.end(errors.BackgroundQueueFull())
    assert (len(accepted.reports.all), len(refused.reports.all)) == (0, 1)
    assert refused.reports.all[0].status == 503


@pytest.mark.parametrize(
    ("error", "is_degraded", "expected"),
    [
        (None, False, "answered"),
        (errors.UnfinishedAnswer(), False, "answered"),
        (None, True, "degraded"),
        (errors.ClientDisconnected(), True, "client_gone"),
        (errors.BudgetExceeded(), False, "refused"),
        (errors.InvalidApiKey(), False, "refused"),
        (errors.UpstreamRejected(), False, "refused"),
        (errors.ModelNotFound(), False, "refused"),
        (errors.QueueTimeout(), False, "failed"),
        (errors.InvalidUpstreamKey(), False, "failed"),
        (errors.PostgresUnavailable(), False, "failed"),
        (TidegateError(), False, "failed"),
    ],
)
def test_a_callers_mistake_is_no_failure(error: TidegateError | None, is_degraded: bool, expected: str) -> None:
    assert call_class(error, is_degraded=is_degraded) == expected
