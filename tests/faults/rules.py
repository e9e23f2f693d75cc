"""What must come of a case: a few rules, written by hand, that say it for every row of the table."""

import msgspec

from tests.faults import speech
from tests.faults.cases import Case
from tests.faults.faults import Bill, Error, Fault, Moment, Where
from tidegate.core.values import Route

INPUT_NANOS = 10_000
OUTPUT_NANOS = 40_000
"""For one token of a model that no price list knows (`metering.unknown_model`)."""
QUESTION_TOKENS = {Route.CHAT: 10, Route.RESPONSES: 5, Route.EMBEDDINGS: 5}
"""The question counted by us, framing included."""
FIRST_WORD_TOKENS = 5
ALL_WORDS_TOKENS = 6


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What the caller, the upstream, the ledger and the log saw of a call."""

    status: int
    end: str
    """How the answer ended: `whole`, `stream` (complete), `error` (an envelope) or `error event`."""
    code: str | None
    error: str
    """`x-tidegate-error`, or the error event's; empty for none. It is the log's name as well."""
    served_by: str
    """The rung that answered: the target's provider, or `nobody`."""
    cache: str
    calls: int
    """How often the upstream was asked."""
    bill: int
    """Nano-dollars, over all lines."""
    lines: tuple[str, ...]
    """The outcomes of the call's lines in the ledger: exactly one."""
    logged: tuple[str, ...]
    """The names under which the log has it."""


def expected(case: Case) -> Verdict:
    """The verdict on a case."""
    fault, error = case.fault, error_of(case)
    name = error.name if error else "ok"
    begun = error is not None and case.stream and _strikes_after_the_beginning(fault)
    return Verdict(
        status=200 if begun or error is None else error.status,
        end=("error event" if begun else "error") if error else ("stream" if case.stream else "whole"),
        code=error.code if error else None,
        error=error.name if error else "",
        served_by="nobody" if error and not begun else "openai",
        cache="" if error and not begun else "miss",
        calls=0 if fault.where is not Where.SERVER else 1,
        bill=_bill(case),
        lines=(name,),
        logged=(name,) if error else (),
    )


HEAD_ONLY = frozenset({"head_then_silence", "head_then_close", "head_then_reset", "head_then_end"})
"""Streams of which only the head came: the client was told 200 with it."""


def _strikes_after_the_beginning(fault: Fault) -> bool:
    """A stream has begun, for its client, once it has begun to be answered."""
    return fault.moment in (Moment.MIDDLE, Moment.END) or fault.name in HEAD_ONLY


def error_of(case: Case) -> Error | None:
    """The typed error of the first attempt."""
    return case.fault.whole if case.fault.whole is not None and not case.stream else case.fault.error


def _bill(case: Case) -> int:
    input_tokens, output_tokens = _tokens(case)
    return input_tokens * INPUT_NANOS + (0 if case.route is Route.EMBEDDINGS else output_tokens * OUTPUT_NANOS)


def _tokens(case: Case) -> tuple[int, int]:
    fault, failed = case.fault, error_of(case) is not None
    bill = fault.bill or (Bill.NOTHING if failed else Bill.FULL)
    if failed and not case.stream:
        bill = Bill.NOTHING
    if bill is Bill.FULL and failed and case.route is Route.RESPONSES:
        bill = Bill.SAID  # its figures are in the terminal event, which never came
    return {
        Bill.NOTHING: (0, 0),
        Bill.HEARD: (QUESTION_TOKENS[case.route], FIRST_WORD_TOKENS),
        Bill.SAID: (QUESTION_TOKENS[case.route], ALL_WORDS_TOKENS),
        Bill.FULL: (speech.INPUT_TOKENS, speech.OUTPUT_TOKENS),
    }[bill]
