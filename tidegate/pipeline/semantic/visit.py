"""One question on its way through the tier: what is decided about it, and what is written down of it. Pure."""

from enum import Enum

import msgspec

from tidegate.cache.semantic.account import AccountFigures, Rules, is_open
from tidegate.cache.semantic.calibration import row_of, weigh
from tidegate.cache.semantic.candidates import MAX_NEIGHBOURS, candidates_for
from tidegate.cache.semantic.decision import AskInFull, Decision, Serve, decide
from tidegate.cache.semantic.eligibility import ScopedQuestion
from tidegate.cache.semantic.outcome import Lesson, Repeat, repeat_of
from tidegate.cache.semantic.prior import Prior
from tidegate.cache.semantic.profile import Vector
from tidegate.cache.semantic.scope import (
    AliasRemoved,
    KnownText,
    ScopeChange,
    TextForgotten,
    TextLearned,
)
from tidegate.cache.semantic.state.accounts import AccountKey, AccountState
from tidegate.cache.semantic.state.change_log import LoggedDecision
from tidegate.cache.semantic.state.changes import LabelNoted
from tidegate.cache.semantic.state.memories import LoadedScope
from tidegate.core.endpoints import Endpoint


class How(Enum):
    """How a question is answered, as its caller and the report see it."""

    DIRECT = "direct"
    VERIFIED = "verified"
    ALIAS = "alias"
    ASK = "ask"


class Visit(msgspec.Struct, frozen=True, kw_only=True):
    """One question, and the account as it found it."""

    request_id: str
    at: float
    """Unix seconds."""
    endpoint: Endpoint
    fingerprint: str
    """Of the call, under which its own answer is stored."""
    scoped: ScopedQuestion
    key: AccountKey
    rules: Rules
    state: AccountState
    is_scope_open: bool
    end_user: str | None = None
    """The digest of the end user."""

    @property
    def figures(self) -> AccountFigures:
        """The account's figures."""
        return self.state.figures


class RepeatedText(msgspec.Struct, frozen=True, kw_only=True):
    """The text was asked before, in other spelling or as an alias: give the same answer."""

    known: KnownText
    repeat: Repeat | None
    """Set for an alias while the account is open: whether it is audited."""

    @property
    def audit_share(self) -> float:
        """The probability with which it is audited."""
        return self.repeat.audit_share if self.repeat is not None else 0.0


class ChosenAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """An answer that is given, or in shadow would be, and whether it is audited."""

    served: Serve | RepeatedText
    audited: bool
    text: str
    """The answer's text."""
    saved_nanos: int = 0

    @property
    def answer(self) -> str:
        """The answer's fingerprint."""
        return self.served.known.answer if isinstance(self.served, RepeatedText) else _chosen(self.served)

    @property
    def how(self) -> How:
        """How the question is answered."""
        if isinstance(self.served, RepeatedText):
            return How.ALIAS
        return How.VERIFIED if self.served.verified else How.DIRECT

    @property
    def score(self) -> float:
        """The probability that the answer is right."""
        return 1.0 - self.risk

    @property
    def risk(self) -> float:
        """The probability that it is wrong, as the account charges it."""
        return self.served.known.risk if isinstance(self.served, RepeatedText) else self.served.risk

    @property
    def audit_share(self) -> float:
        """The probability with which it was to be audited."""
        return self.served.audit_share


def again(visit: Visit, loaded: LoadedScope) -> RepeatedText | None:
    """Return the answer that the same text got before; None if it got none, or the account does not allow it."""
    known = loaded.memory.texts.get(visit.scoped.question.key)
    if known is None or known.answer == visit.fingerprint:  # its own answer has just been looked for
        return None
    if not known.is_alias:
        return RepeatedText(known=known, repeat=None)
    opened = visit.is_scope_open and is_open(visit.figures, visit.rules)
    if not opened and known.risk > 0:
        return None
    return RepeatedText(known=known, repeat=repeat_of(known, visit.figures, visit.rules) if opened else None)


def near_miss(visit: Visit, vector: Vector, loaded: LoadedScope, prior: Prior) -> Decision:
    """Return what to do with a question that is new in its scope."""
    near = loaded.memory.neighbours(vector, MAX_NEIGHBOURS)
    near = [each for each in near if each.alias.answer != visit.fingerprint]  # it expired, or this call would be a hit
    found = candidates_for(visit.scoped.question, vector, near, loaded.memory)
    scores = [prior.score(each.features) for each in found]
    weighed = weigh(found, scores, loaded.calibration.fit)
    return decide(weighed, visit.figures, visit.rules, scope_open=visit.is_scope_open)


def asked_in_full(decision: Decision) -> AskInFull:
    """Return the decision as that of a question which is asked in full whatever was decided."""
    if isinstance(decision, AskInFull):
        return decision
    closed = decide(decision.candidates, AccountFigures(), Rules(verifies=False), scope_open=False)
    assert isinstance(closed, AskInFull)  # noqa: S101  # nothing is given while closed
    return closed


def changes_of(lesson: Lesson, *, own: TextLearned | None = None) -> list[ScopeChange | LabelNoted]:
    """Return what a lesson changes in its scope; `own` is the text's own answer, which it keeps."""
    changes: list[ScopeChange | LabelNoted] = list(lesson.scope)
    if own is not None:
        changes = [each for each in changes if not isinstance(each, TextLearned | TextForgotten)]
        changes.append(own)
    if lesson.label is not None:
        label = lesson.label
        changes.append(LabelNoted(row=row_of(label.weighed), right=label.right, weight=label.weight))
    return changes


def changes_of_lost(answer: str, loaded: LoadedScope) -> list[ScopeChange | LabelNoted]:
    """Return what takes an answer out of its scope that is no longer stored."""
    changes: list[ScopeChange | LabelNoted] = [AliasRemoved(key=key) for key in loaded.answers(answer)]
    texts = loaded.memory.texts.items()
    changes += [TextForgotten(key=key) for key, known in texts if known.answer == answer]
    return changes


def decision_line(
    visit: Visit,
    given: ChosenAnswer | None,
    *,
    verdict: bool | None = None,
    verified: bool = False,
    compared: bool = False,
) -> LoggedDecision:
    """Return the line of a decision, for the report; without `given` the question was asked in full."""
    line = LoggedDecision(
        request_id=visit.request_id,
        at=visit.at,
        project=visit.key.project,
        scope=visit.key.scope,
        mode=visit.key.mode,
        action=How.ASK.value if given is None else given.how.value,
        verified=verified,
        compared=compared,
        question=visit.scoped.question.key,
        end_user=visit.end_user,
    )
    if given is None:
        return line
    return msgspec.structs.replace(
        line,
        answer=given.answer,
        score=given.score,
        risk=given.risk,
        audit_share=given.audit_share,
        audited=given.audited,
        verdict=verdict,
        verified=given.how is How.VERIFIED,
        saved_nanos=given.saved_nanos,
        cached_question=earlier_question(given),
    )


def earlier_question(given: ChosenAnswer) -> str:
    """Return the earlier question whose answer is given; empty for a repeated text."""
    return "" if isinstance(given.served, RepeatedText) else given.served.chosen.candidate.alias.question.key


def _chosen(served: Serve) -> str:
    return served.chosen.candidate.answer
