"""What is done with a near-miss: give an earlier answer, ask the verifier first, or ask in full. Pure."""

from collections.abc import Sequence
from typing import Final

import msgspec

from tidegate.cache.semantic.account import (
    AccountFigures,
    Rules,
    audit_share,
    confirmation_share,
    is_open,
    price_of,
    risk_factor,
    verified_factor,
)
from tidegate.cache.semantic.calibration import Weighed

_VERIFIER_COST: Final = 0.02
"""Of a verifier's call, in full answers."""
_LATENCY_COST: Final = 0.03
"""Of waiting for the verifier, in full answers."""
_MIN_CHANCE: Final = 0.1
"""Of any candidate being right, from which on the verifier may be asked."""
_SURELY_COMPARED: Final = 0.3


class Serve(msgspec.Struct, frozen=True, kw_only=True):
    """Give the candidate's answer."""

    chosen: Weighed
    verified: bool
    """Whether the verifier said yes to it."""
    risk: float
    """The probability that it is wrong, as the account charges it."""
    audit_share: float
    """The probability with which it is audited."""
    candidates: tuple[Weighed, ...]


class Verify(msgspec.Struct, frozen=True, kw_only=True):
    """Ask the verifier which of these, the most probable first, has the question's answer."""

    candidates: tuple[Weighed, ...]
    """In the order of the index."""

    @property
    def shown(self) -> tuple[Weighed, ...]:
        """The candidates in the order in which the verifier sees them."""
        return tuple(sorted(self.candidates, key=lambda each: -each.probability))


class AskInFull(msgspec.Struct, frozen=True, kw_only=True):
    """Ask the model, and compare its answer's question with the candidates' later."""

    candidates: tuple[Weighed, ...] = ()
    compare_share: float = 0.0
    """The probability with which the comparison is made."""
    verified: bool = False
    """Whether the verifier was asked."""
    verifier_agreed: bool = False
    """Whether it said yes to a candidate that could not be given all the same."""


Decision = Serve | Verify | AskInFull


def decide(weighed: Sequence[Weighed], figures: AccountFigures, rules: Rules, *, scope_open: bool = True) -> Decision:
    """Return what to do with a question, by the worth of each way: a hit is worth 1, a risk of `price` costs 1."""
    candidates = tuple(weighed)
    if not candidates:
        return AskInFull()
    best = max(candidates, key=lambda each: each.probability)
    opened = scope_open and is_open(figures, rules)
    if opened and _may_be_direct(best, rules):
        direct = _direct_worth(best, figures, rules)
        if direct > 0 and direct >= _verified_worth(candidates, figures, rules):
            risk = 1.0 - best.probability
            return Serve(
                chosen=best,
                verified=False,
                risk=risk,
                audit_share=audit_share(risk, figures, rules, direct=True),
                candidates=candidates,
            )
    if _verified_worth(candidates, figures, rules) > 0:
        return Verify(candidates=candidates)
    return AskInFull(candidates=candidates, compare_share=_compare_share(candidates))


def after_verdict(
    asked: Verify, said: Weighed | None, figures: AccountFigures, rules: Rules, *, scope_open: bool = True
) -> Serve | AskInFull:
    """Return what to do once the verifier has named a candidate, or none."""
    share = _compare_share(asked.candidates)
    if said is None:
        return AskInFull(candidates=asked.candidates, compare_share=share, verified=True)
    risk = _verified_risk(said, figures)
    if not (scope_open and is_open(figures, rules)) or risk > price_of(figures, rules):
        return AskInFull(candidates=asked.candidates, compare_share=share, verified=True, verifier_agreed=True)
    return Serve(
        chosen=said,
        verified=True,
        risk=risk,
        audit_share=audit_share(risk, figures, rules, direct=False),
        candidates=asked.candidates,
    )


def _may_be_direct(best: Weighed, rules: Rules) -> bool:
    """Return whether an answer may be given unverified.

    With a verifier, every word that is new to the answer is asked about. Without one that would cost a fifth of the
    hits: only a question that exchanges words of its nearest phrasing for new ones is not given, as with another name.
    """
    candidate = best.candidate
    if candidate.veto:
        return False
    return candidate.coverage >= 1.0 or not (rules.verifies or candidate.exchanges)


def _direct_worth(best: Weighed, figures: AccountFigures, rules: Rules) -> float:
    risk = risk_factor(figures) * (1.0 - best.probability)
    return 1.0 - risk / price_of(figures, rules) if risk < 1.0 else -1.0


def _verified_worth(candidates: Sequence[Weighed], figures: AccountFigures, rules: Rules) -> float:
    if not rules.verifies or sum(each.probability for each in candidates) < _MIN_CHANCE:
        return -1.0
    confirmed, price = confirmation_share(figures), price_of(figures, rules)
    hits = sum(
        each.probability * confirmed * max(0.0, 1.0 - _verified_risk(each, figures) / price) for each in candidates
    )
    return hits - _VERIFIER_COST - _LATENCY_COST


def _verified_risk(each: Weighed, figures: AccountFigures) -> float:
    return min(1.0, verified_factor(figures) * (1.0 - each.probability))


def _compare_share(candidates: Sequence[Weighed]) -> float:
    return min(1.0, sum(each.probability for each in candidates) / _SURELY_COMPARED)
