"""What a request teaches: how the account, the scope and the calibration change by it. Pure.

Only the gateway writes aliases: of a text whose answer it fetched, or that the verifier or the judge confirmed. A text
that was fetched always keeps its own answer, whatever it was compared with.
"""

from typing import Final

import msgspec

from tidegate.cache.semantic.account import (
    AccountChange,
    AccountFigures,
    Rules,
    audit_share,
    light_risk_factor,
    risk_factor,
)
from tidegate.cache.semantic.calibration import Weighed
from tidegate.cache.semantic.decision import AskInFull, Serve
from tidegate.cache.semantic.question import Question
from tidegate.cache.semantic.scope import (
    AliasRemoved,
    AliasSet,
    KnownText,
    ScopeChange,
    TextForgotten,
    TextLearned,
    VerdictNoted,
)

_RARE_AUDIT: Final = 0.2
_MAX_WEIGHT: Final = 5.0
_ALIAS_RISK: Final = 0.01
"""The most that an unverified phrasing may carry to become an alias."""
_SURELY_NEW: Final = 0.15
"""A question whose candidates are together less probable than this has an answer of its own."""


class Label(msgspec.Struct, frozen=True):
    """A verdict on a candidate, from which the calibration learns."""

    weighed: Weighed
    right: bool
    weight: float = 1.0


class Lesson(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that a request changes."""

    account: AccountChange = AccountChange()
    scope: tuple[ScopeChange, ...] = ()
    label: Label | None = None


class Repeat(msgspec.Struct, frozen=True, kw_only=True):
    """What is done with a text that was asked before, and got another text's answer."""

    audit_share: float = 0.0
    known: KnownText
    """What is known of the text from now on."""


def repeat_of(known: KnownText, figures: AccountFigures, rules: Rules) -> Repeat:
    """Return whether an alias is audited when its text is asked again: at its 2nd, 4th, 8th … time if confirmed.

    A confirmed alias that is wrong would repeat its error for ever.
    """
    if known.risk > 0:
        return Repeat(audit_share=audit_share(known.risk, figures, rules, direct=True), known=known)
    repeats = known.repeats + 1
    is_power_of_two = repeats & (repeats - 1) == 0
    return Repeat(audit_share=1.0 if is_power_of_two else 0.0, known=msgspec.structs.replace(known, repeats=repeats))


def after_repeat(key: str, repeat: Repeat, figures: AccountFigures, *, right: bool | None) -> Lesson:
    """Return what a repeated alias teaches; `right` is None where it was not audited."""
    known, risk = repeat.known, repeat.known.risk
    if right is None:
        charge = light_risk_factor(figures) * risk
        account = AccountChange(unaudited_risk=charge, spent=charge)
        return Lesson(account=account, scope=(TextLearned(key=key, known=known),))
    account = _audited(repeat.audit_share, risk, right=right) if risk > 0 else _confirmed_audited(right=right)
    if not right:
        return Lesson(account=account, scope=(TextForgotten(key=key), AliasRemoved(key=key)))
    confirmed = msgspec.structs.replace(known, risk=0.0, repeats=max(1, known.repeats))
    return Lesson(account=account, scope=(TextLearned(key=key, known=confirmed),))


def after_served(
    served: Serve, question: Question, figures: AccountFigures, *, right: bool | None, attracted: KnownText | None
) -> Lesson:
    """Return what an answered near-miss teaches; `right` is None where it was not audited.

    `attracted` is what is known of the phrasing that attracted the question.
    """
    if right is None:
        return _after_unaudited(served, question, figures)
    chosen = served.chosen.candidate
    account = _audited(served.audit_share, served.risk, right=right)
    if served.verified:
        account = msgspec.structs.replace(
            account,
            verified_wrong=0.0 if right else 1.0,
            verified_doubt=1.0 - served.chosen.probability,
            confirmed=1.0 if right else 0.0,
            confirmable=1.0 if right else 0.0,
        )
    changes: list[ScopeChange] = [VerdictNoted(answer=chosen.answer, right=right)]
    if right:
        known = KnownText(answer=chosen.answer, is_alias=True, repeats=1)
        changes += [TextLearned(key=question.key, known=known), AliasSet(question=question, answer=chosen.answer)]
    elif attracted is not None and not attracted.is_alias and attracted.answer != chosen.answer:
        changes.append(AliasSet(question=chosen.alias.question, answer=attracted.answer))
    share = served.audit_share
    weight = 1.0 / share if share > _RARE_AUDIT else _MAX_WEIGHT
    return Lesson(account=account, scope=tuple(changes), label=Label(served.chosen, right, weight))


def after_asked(asked: AskInFull, question: Question, answer: str, *, compared: bool, same: Weighed | None) -> Lesson:
    """Return what a full answer teaches; `same` is the candidate that the comparison found equal, if it was made."""
    changes: list[ScopeChange] = [TextLearned(key=question.key, known=KnownText(answer=answer))]
    if not asked.candidates:
        return Lesson(scope=(*changes, AliasSet(question=question, answer=answer)))
    said_no = asked.verified and not asked.verifier_agreed
    if compared or said_no or sum(each.probability for each in asked.candidates) < _SURELY_NEW:
        stands_for = same.candidate.answer if same is not None else answer
        changes.append(AliasSet(question=question, answer=stands_for))
    if not compared:
        return Lesson(scope=tuple(changes))
    best = max(asked.candidates, key=lambda each: each.probability)
    right = same is not None and same.candidate.answer == best.candidate.answer
    changes.append(VerdictNoted(answer=best.candidate.answer, right=right))
    missed = 1.0 if asked.verified and same is not None else 0.0
    account = AccountChange(confirmable=missed, confirmed=missed if asked.verifier_agreed else 0.0)
    return Lesson(account=account, scope=tuple(changes), label=Label(best, right))


def _after_unaudited(served: Serve, question: Question, figures: AccountFigures) -> Lesson:
    charge = light_risk_factor(figures) * served.risk
    account = AccountChange(unaudited_risk=charge, spent=charge)
    factor = 1.0 if served.verified else risk_factor(figures)
    if not served.verified and factor * served.risk > _ALIAS_RISK:
        return Lesson(account=account)
    answer = served.chosen.candidate.answer
    known = KnownText(answer=answer, is_alias=True, risk=served.risk)
    return Lesson(
        account=account,
        scope=(TextLearned(key=question.key, known=known), AliasSet(question=question, answer=answer)),
    )


def _audited(share: float, risk: float, *, right: bool) -> AccountChange:
    """Return the change by an audited answer: as it was judged, and, by its sampling, what it says of the others."""
    wrong = 0.0 if right else 1.0
    light = share < 1.0
    return AccountChange(
        audited_wrong=wrong,
        sampled_wrong=wrong * (1.0 / share - 1.0),
        sampled_variance=wrong * (1.0 - share) / share**2,
        wrong=wrong,
        risk=risk,
        lightly_wrong=wrong if light else 0.0,
        light_risk=risk if light else 0.0,
        spent=wrong / share,
    )


def _confirmed_audited(*, right: bool) -> AccountChange:
    wrong = 0.0 if right else 1.0
    return AccountChange(audited_wrong=wrong, spent=wrong)
