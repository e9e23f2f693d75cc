"""A report can be written as JSON as it is, and is cheap to keep: the garbage collector does not track it."""

import gc

import msgspec

from tests.observed_calls import report_of


def test_a_report_is_json_and_untracked() -> None:
    report = report_of(outcome="server_error", error_text="The server had an error")
    document = msgspec.json.decode(msgspec.json.encode(report))
    assert (document["call_class"], document["entry"]["outcome"]) == ("failed", "server_error")
    assert not gc.is_tracked(report)
