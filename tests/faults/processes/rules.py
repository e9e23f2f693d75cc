"""The expected result of each case, from a few rules written by hand."""

from tests.faults.processes.cases import COMES_LATER, HAS_BEGUN, CallMoment, Ending, ProcessCase
from tests.faults.processes.runner import ProcessVerdict
from tests.faults.rules import full_price, unseen
from tidegate.core import endpoints


def expected_of_process(case: ProcessCase) -> ProcessVerdict:
    """Return the expected verdict on a case."""
    if case.ending is Ending.TERMINATED:
        return _answered(case)
    return _killed(case) if case.ending is Ending.KILLED else _shut_down(case)


def _answered(case: ProcessCase) -> ProcessVerdict:
    """Every call is answered, and those that come after the signal are told to use another connection next time."""
    paid = ("ok", full_price(case.route))
    return ProcessVerdict(
        status=200,
        end="stream" if case.stream else "whole",
        code=None,
        retry="",
        closes=case.moment in COMES_LATER,
        entries=_twice_where_joined(case, paid, ("ok", 0)),
    )


def _shut_down(case: ProcessCase) -> ProcessVerdict:
    """A call that is not answered in time gets an error that allows a retry. The ledger has what may be charged.

    A chat stream has told its usage before its last event.
    """
    begun = case.stream and case.moment in HAS_BEGUN
    has_usage = case.stream and case.moment is CallMoment.END and case.route is endpoints.CHAT
    paid = ("shutting_down", full_price(case.route) if has_usage else unseen(case.route))
    return ProcessVerdict(
        status=200 if begun else 503,
        end="error event" if begun else "error",
        code="shutting_down",
        retry="" if begun else "true",
        closes=case.moment in COMES_LATER,
        entries=_twice_where_joined(case, paid, ("shutting_down", 0)),
    )


def _killed(case: ProcessCase) -> ProcessVerdict:
    """The connection breaks. A call that was not answered has no ledger entry."""
    begun = case.stream and case.moment in HAS_BEGUN
    return ProcessVerdict(
        status=0, end="broken" if begun else "no answer", code=None, retry="", closes=False, entries=()
    )


def _twice_where_joined(
    case: ProcessCase, paid: tuple[str, int], joined: tuple[str, int]
) -> tuple[tuple[str, int], ...]:
    if case.moment is not CallMoment.JOINED:
        return (paid,)
    return tuple(sorted((paid, joined)))
