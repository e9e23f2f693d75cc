"""What must come of a case: a few rules, written by hand, that say it for every row of the table."""

import msgspec

from tests.faults import speech
from tests.faults.cases import Case, Ladder, Own
from tests.faults.faults import Bill, Blame, Error, Fault, Moment, Where
from tidegate.core import endpoints
from tidegate.core.endpoints import Endpoint

INPUT_NANOS = 10_000
OUTPUT_NANOS = 40_000
"""For one token of a model that no price list knows (`metering.unknown_model`)."""
QUESTION_TOKENS = {endpoints.CHAT: 12, endpoints.RESPONSES: 12, endpoints.EMBEDDINGS: 5}
"""The question counted by us, framing included."""
FIRST_WORD_TOKENS = 5
ALL_WORDS_TOKENS = 6
UNSEEN_TOKENS = speech.MOST_TOKENS + 16
"""All that an answer may have, framing included: charged where nobody saw how much of it there was."""

HELPS = {
    Ladder.NONE: frozenset(),
    Ladder.OFF: frozenset(),
    Ladder.AGAIN: frozenset({Blame.TARGET}),
    Ladder.CREDENTIAL: frozenset({Blame.CREDENTIAL, Blame.MATCH, Blame.RATE}),
    Ladder.TARGET: frozenset({Blame.CREDENTIAL, Blame.MATCH, Blame.RATE, Blame.TARGET, Blame.SILENCE}),
    Ladder.STALE: frozenset({Blame.CREDENTIAL, Blame.RATE, Blame.TARGET, Blame.SILENCE, Blame.TIME}),
    Ladder.CANNED: frozenset({Blame.CREDENTIAL, Blame.RATE, Blame.TARGET, Blame.SILENCE, Blame.TIME}),
}
"""Whose fault each rung makes good."""
RUNGS = {
    Ladder.AGAIN: "again",
    Ladder.CREDENTIAL: "credential",
    Ladder.TARGET: "target",
    Ladder.STALE: "stale",
    Ladder.CANNED: "canned",
}
"""The rung's name in the ledger."""
SERVERS = {Ladder.TARGET: "second", Ladder.CANNED: "canned"}
ASKED_ANEW = (Ladder.AGAIN, Ladder.CREDENTIAL, Ladder.TARGET)
TOO_LATE = frozenset({"overloaded"})
"""Faults of the target that name a wait longer than the call has: it is not asked again."""


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What the caller, the upstream, the ledger and the log saw of a call."""

    status: int
    end: str
    """How the answer ended: `whole`, `stream` (complete), `error` (an envelope) or `error event`."""
    code: str | None
    error: str
    """`x-tidegate-error`, or the error event's; empty for none. It is the log's name as well."""
    served_by: str
    """`first` or `second` for the targets, `canned`, or `nobody`."""
    rung: str
    """The ledger's word for the step that answered; empty where none did."""
    cache: str
    calls: int
    """How often any upstream was asked."""
    bill: int
    """Nano-dollars, over all lines."""
    lines: tuple[str, ...]
    """The outcomes of the call's lines in the ledger: exactly one."""
    logged: tuple[str, ...]
    """The names under which the log has failed attempts."""


def expected(case: Case) -> Verdict:
    """The verdict on a case."""
    error = error_of(case)
    if error is None:
        return _answered(case, None)
    if case.stream and _strikes_after_the_beginning(case.fault):
        return _broken_off(case, error)
    return _answered(case, error) if _is_helped(case, error) else _failed(case, error)


def _answered(case: Case, error: Error | None) -> Verdict:
    """By the first attempt, or after it failed."""
    anew = error is not None and case.ladder in ASKED_ANEW
    paid = _bill(case) if error is None else _bill(case) + (_full(case.route) if anew else 0)
    return Verdict(
        status=200,
        end="stream" if case.stream else "whole",
        code=None,
        error="",
        served_by=SERVERS.get(case.ladder, "first") if error else "first",
        rung=RUNGS[case.ladder] if error else "first",
        cache="stale" if error and case.ladder is Ladder.STALE else "miss",
        calls=_reached(case) + anew,
        bill=paid,
        lines=("ok",),
        logged=(error.name,) if error else (),
    )


def _broken_off(case: Case, error: Error) -> Verdict:
    """The client has the beginning: it gets an error event, and nobody else is asked."""
    return Verdict(
        status=200,
        end="error event",
        code=error.code,
        error=error.name,
        served_by="first",
        rung="",
        cache="miss",
        calls=_reached(case),
        bill=_bill(case),
        lines=(error.name,),
        logged=(error.name,),
    )


def _failed(case: Case, error: Error) -> Verdict:
    return Verdict(
        status=error.status,
        end="error",
        code=error.code,
        error=error.name,
        served_by="nobody",
        rung="",
        cache="",
        calls=_reached(case),
        bill=_bill(case),
        lines=(error.name,),
        logged=(error.name,),
    )


def _is_helped(case: Case, error: Error) -> bool:
    """Whether the rung that is there makes this failure good."""
    if case.ladder is Ladder.AGAIN and error.name in TOO_LATE:
        return False
    if case.ladder is Ladder.STALE and case.own is Own.REDIS_DOWN:
        return False  # that is where the answers are
    if case.ladder is Ladder.CANNED and case.route is endpoints.EMBEDDINGS:
        return False  # there are no numbers that stand for "not now"
    return error.blame in HELPS[case.ladder]


def _strikes_after_the_beginning(fault: Fault) -> bool:
    """A stream has begun, for its client, with its first word."""
    return fault.moment in (Moment.MIDDLE, Moment.END)


def error_of(case: Case) -> Error | None:
    """The typed error of the first attempt."""
    return case.fault.whole if case.fault.whole is not None and not case.stream else case.fault.error


def _reached(case: Case) -> int:
    return 0 if case.fault.where is not Where.SERVER else 1


def _bill(case: Case) -> int:
    """Of the first attempt."""
    error = error_of(case)
    if error is None:
        return _price(case.route, case.fault.bill or Bill.FULL)
    if case.stream and _strikes_after_the_beginning(case.fault):
        said = case.fault.bill or Bill.FULL
        if said is Bill.FULL and case.route is endpoints.CHAT:
            return _price(case.route, said)  # its figures came before its end; a Response's are in its last event
        return _price(case.route, Bill.UNSEEN if error.taken else said)
    return _price(case.route, Bill.UNSEEN if error.taken else Bill.NOTHING)


def unseen(route: Endpoint) -> int:
    """What an answer is charged of which nobody knows how much there was."""
    return _price(route, Bill.UNSEEN)


def _full(route: Endpoint) -> int:
    return _price(route, Bill.FULL)


def _price(route: Endpoint, bill: Bill) -> int:
    input_tokens, output_tokens = {
        Bill.NOTHING: (0, 0),
        Bill.UNSEEN: (QUESTION_TOKENS[route], UNSEEN_TOKENS),
        Bill.HEARD: (QUESTION_TOKENS[route], FIRST_WORD_TOKENS),
        Bill.SAID: (QUESTION_TOKENS[route], ALL_WORDS_TOKENS),
        Bill.FULL: (speech.INPUT_TOKENS, speech.OUTPUT_TOKENS),
    }[bill]
    return input_tokens * INPUT_NANOS + (0 if route is endpoints.EMBEDDINGS else output_tokens * OUTPUT_NANOS)
