"""Decide whether a complete answer is worth storing: whether the next caller with the same question could use it.

`answer_facts` collects what is decided by.
"""

from enum import Enum

import msgspec

from tidegate.wire.shapes.foreign_reasons import CUTS


class AnswerFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a complete answer."""

    reasons: tuple[str, ...] = ("stop",)
    """Why each choice ended, in the words of chat; empty where the provider did not say."""
    has_output: bool = True
    """Whether each choice has something to use: text, a tool call, an image, a vector. Reasoning alone is nothing."""
    is_refused: bool = False
    """Whether the model declined to answer."""
    has_unusable_call: bool = False
    """Whether a tool call has no name, or arguments that are not JSON."""
    wants_json: bool = False
    """Whether the caller requested JSON as the text."""
    is_limited: bool = True
    """Whether the caller limited the answer's length."""


class NotStored(Enum):
    """Why an answer is not stored."""

    UNFINISHED = "does not say why it ended"
    FAILED = "ended for another reason than its own end or the caller's limit"
    REFUSED = "refuses"
    UNUSABLE_CALL = "has a tool call that cannot be run"
    EMPTY = "has nothing to use"
    CUT = "was cut at a limit that is not the caller's, or within JSON"


_ENDED = CUTS | {
    "complete", "completed", "end_turn", "eos", "eos_token", "function_call", "stop", "stop_sequence", "tool_calls",
    "tool_use",
}  # fmt: skip
"""OpenAI's reasons, and what compatible servers say for them. Filters and failures have too many names to list."""


def why_not_stored(answer: AnswerFacts) -> NotStored | None:
    """Return why an answer is not worth storing; None if it is.

    Text that was cut at the caller's own limit is stored: the same request would be cut, too, and paid again.
    """
    reasons = list(map(str.lower, answer.reasons))
    if not all(reasons) or not reasons:
        return NotStored.UNFINISHED
    if not _ENDED.issuperset(reasons):
        return NotStored.FAILED
    if answer.is_refused:
        return NotStored.REFUSED
    if answer.has_unusable_call:
        return NotStored.UNUSABLE_CALL
    if not answer.has_output:
        return NotStored.EMPTY
    is_cut = not CUTS.isdisjoint(reasons)
    return NotStored.CUT if is_cut and (answer.wants_json or not answer.is_limited) else None
