"""The expected result of each case, from a few rules written by hand."""

import msgspec

from tests.faults import speech
from tests.faults.cases import Case, FallbackSetup, StoreState
from tests.faults.faults import ErrorScope, ExpectedBill, ExpectedError, Fault, FaultMoment, UpstreamEndpoint
from tidegate.core import endpoints
from tidegate.core.endpoints import Endpoint

INPUT_NANOS = 10_000
OUTPUT_NANOS = 40_000
"""Per token of a model that no price list has (`metering.unknown_model_price`)."""
QUESTION_TOKENS = {endpoints.CHAT: 12, endpoints.RESPONSES: 12, endpoints.EMBEDDINGS: 5}
"""The estimated input tokens, including framing."""
FIRST_WORD_TOKENS = 5
ALL_WORDS_TOKENS = 6
UNSEEN_TOKENS = speech.MOST_TOKENS + 16
"""The greatest length of an answer, including framing, which is charged where the answer was not seen."""

HELPED_BY = {
    FallbackSetup.NONE: frozenset(),
    FallbackSetup.OFF: frozenset(),
    FallbackSetup.RETRY: frozenset({ErrorScope.TARGET}),
    FallbackSetup.CREDENTIAL: frozenset({ErrorScope.CREDENTIAL, ErrorScope.MATCH, ErrorScope.RATE}),
    FallbackSetup.TARGET: frozenset(
        {ErrorScope.CREDENTIAL, ErrorScope.MATCH, ErrorScope.RATE, ErrorScope.TARGET, ErrorScope.SILENCE}
    ),
    FallbackSetup.STALE: frozenset(
        {ErrorScope.CREDENTIAL, ErrorScope.RATE, ErrorScope.TARGET, ErrorScope.SILENCE, ErrorScope.TIME}
    ),
    FallbackSetup.CANNED: frozenset(
        {ErrorScope.CREDENTIAL, ErrorScope.RATE, ErrorScope.TARGET, ErrorScope.SILENCE, ErrorScope.TIME}
    ),
}
"""The scopes of errors that each fallback setup recovers from."""
FALLBACK_STEPS = {
    FallbackSetup.RETRY: "retry",
    FallbackSetup.CREDENTIAL: "credential",
    FallbackSetup.TARGET: "target",
    FallbackSetup.STALE: "stale",
    FallbackSetup.CANNED: "canned",
}
"""The name of the fallback step in the ledger."""
SERVERS = {FallbackSetup.TARGET: "second", FallbackSetup.CANNED: "canned"}
CALLS_UPSTREAM_AGAIN = (FallbackSetup.RETRY, FallbackSetup.CREDENTIAL, FallbackSetup.TARGET)
WAITS_TOO_LONG = frozenset({"server_is_overloaded"})
"""Faults that name a wait longer than the call's deadline: the target is not called again."""


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What the caller, the upstream, the ledger and the log see of a call."""

    status: int
    end: str
    """How the answer ended: `whole`, `stream` (complete), `error` (an envelope) or `error event`."""
    code: str | None
    error: str
    """`x-tidegate-error`, or the error event's name; empty for none. The log has the same name."""
    served_by: str
    """`first` or `second` for the targets, `canned`, or `nobody`."""
    fallback_step: str
    """The ledger's name of the step that answered; empty where none did."""
    cache: str
    calls: int
    """The number of calls to any upstream."""
    bill: int
    """Nano-dollars, over all entries."""
    lines: tuple[str, ...]
    """The outcomes of the call's ledger entries: exactly one."""
    logged: tuple[str, ...]
    """The names of the failed attempts in the log."""


def expected(case: Case) -> Verdict:
    """Return the expected verdict on a case."""
    error = error_of(case)
    if error is None:
        return _answered(case, None)
    if case.stream and _strikes_mid_stream(case.fault):
        return _failed_mid_stream(case, error)
    return _answered(case, error) if _is_recovered(case, error) else _failed(case, error)


def _answered(case: Case, error: ExpectedError | None) -> Verdict:
    """Return the verdict on a call that the first attempt or a fallback step answers."""
    anew = error is not None and case.fallback in CALLS_UPSTREAM_AGAIN
    paid = _bill(case) if error is None else _bill(case) + (full_price(case.route) if anew else 0)
    return Verdict(
        status=200,
        end="stream" if case.stream else "whole",
        code=None,
        error="",
        served_by=SERVERS.get(case.fallback, "first") if error else "first",
        fallback_step=FALLBACK_STEPS[case.fallback] if error else "first",
        cache="stale" if error and case.fallback is FallbackSetup.STALE else "miss",
        calls=_upstream_calls(case) + anew,
        bill=paid,
        lines=("ok",),
        logged=(error.name,) if error else (),
    )


def _failed_mid_stream(case: Case, error: ExpectedError) -> Verdict:
    """Return the verdict on a stream that had begun: an error event, and no fallback."""
    return Verdict(
        status=200,
        end="error event",
        code=error.code,
        error=error.name,
        served_by="first",
        fallback_step="",
        cache="miss",
        calls=_upstream_calls(case),
        bill=_bill(case),
        lines=(error.name,),
        logged=(error.name,),
    )


def _failed(case: Case, error: ExpectedError) -> Verdict:
    return Verdict(
        status=error.status,
        end="error",
        code=error.code,
        error=error.name,
        served_by="nobody",
        fallback_step="",
        cache="",
        calls=_upstream_calls(case),
        bill=_bill(case),
        lines=(error.name,),
        logged=(error.name,),
    )


def _is_recovered(case: Case, error: ExpectedError) -> bool:
    """Return whether the configured step recovers from this failure."""
    if case.fallback is FallbackSetup.RETRY and error.name in WAITS_TOO_LONG:
        return False
    if case.fallback is FallbackSetup.STALE and case.stores is StoreState.REDIS_DOWN:
        return False  # the stale answers are there
    if case.fallback is FallbackSetup.CANNED and case.route is endpoints.EMBEDDINGS:
        return False  # no embedding can stand for "not now"
    return error.scope in HELPED_BY[case.fallback]


def _strikes_mid_stream(fault: Fault) -> bool:
    """Return whether the client's stream had begun, which it does with the first word."""
    return fault.moment in (FaultMoment.MIDDLE, FaultMoment.END)


def error_of(case: Case) -> ExpectedError | None:
    """Return the typed error of the first attempt."""
    return (
        case.fault.unstreamed_error if case.fault.unstreamed_error is not None and not case.stream else case.fault.error
    )


def _upstream_calls(case: Case) -> int:
    return 0 if case.fault.endpoint is not UpstreamEndpoint.SERVER else 1


def _bill(case: Case) -> int:
    """Return the cost of the first attempt."""
    error = error_of(case)
    if error is None:
        return _price(case.route, case.fault.bill or ExpectedBill.FULL)
    if case.stream and _strikes_mid_stream(case.fault):
        said = case.fault.bill or ExpectedBill.FULL
        if said is ExpectedBill.FULL and case.route is endpoints.CHAT:
            return _price(case.route, said)  # its usage came before its end; a Response's usage is in its last event
        return _price(case.route, ExpectedBill.UNSEEN if error.may_be_billed else said)
    return _price(case.route, ExpectedBill.UNSEEN if error.may_be_billed else ExpectedBill.NOTHING)


def unseen(route: Endpoint) -> int:
    """Return the charge for an answer whose length is unknown."""
    return _price(route, ExpectedBill.UNSEEN)


def full_price(route: Endpoint) -> int:
    """Return the price of the whole answer."""
    return _price(route, ExpectedBill.FULL)


def _price(route: Endpoint, bill: ExpectedBill) -> int:
    input_tokens, output_tokens = {
        ExpectedBill.NOTHING: (0, 0),
        ExpectedBill.UNSEEN: (QUESTION_TOKENS[route], UNSEEN_TOKENS),
        ExpectedBill.FIRST_WORD: (QUESTION_TOKENS[route], FIRST_WORD_TOKENS),
        ExpectedBill.ALL_WORDS: (QUESTION_TOKENS[route], ALL_WORDS_TOKENS),
        ExpectedBill.FULL: (speech.INPUT_TOKENS, speech.OUTPUT_TOKENS),
    }[bill]
    return input_tokens * INPUT_NANOS + (0 if route is endpoints.EMBEDDINGS else output_tokens * OUTPUT_NANOS)
