"""The account of what was answered wrongly, or may have been: it decides by itself when the tier closes.

Audited answers count as they were judged. Of the others the account adds the larger of two figures: what the calibrated
risks say, and what the audited sample says with two standard deviations. Everything is a sum of changes, so that any
number of processes may add theirs, except the price of risk, which is held within bounds. The derivation and what was
measured are in docs/decisions/0104.
"""

from math import exp, sqrt
from typing import Final

import msgspec

_ADVANCE_REQUESTS: Final = 500
"""Up to so many requests the bound is looser, or a young account could serve nothing."""
_ADVANCE: Final = 100
_RISK_PRIOR = (4.0, 3.0)
"""Wrong answers and summed risk that the calibration starts with."""
_VERIFIED_PRIOR = (2.0, 20.0)
_RIGHT_PRIOR = (19.0, 20.0)
_DEVIATIONS = 2.0
_RULE_OF_THREE = 3.0
"""What a sample without an error cannot exclude, in errors (95 %)."""
_HORIZON = 1000.0
"""Requests over which unspent risk is spent."""
MIN_PRICE_DIVISOR: Final = 3.0
MAX_PRICE: Final = 0.4


class Rules(msgspec.Struct, frozen=True, kw_only=True):
    """What an operator promises, and how the tier spends it."""

    delta: float = 0.01
    """The share of requests that may be answered wrongly."""
    verifies: bool = True
    """Whether a verifier may be asked before an answer is given."""

    @property
    def spent_share(self) -> float:
        """The part of `delta` that is spent on purpose; the rest is for what the sample cannot see."""
        return 0.82 if self.verifies else 0.85

    @property
    def audited_risk(self) -> float:
        """The risk from which on every answer is audited."""
        return 0.02 if self.verifies else 0.01

    @property
    def pace(self) -> float:
        """How fast the price of risk follows what is spent; a faster one swings."""
        return 0.003 if self.verifies else 0.002

    @property
    def first_price(self) -> float:
        """The price of risk of a new account."""
        return 3.0 * self.delta


class AccountFigures(msgspec.Struct, frozen=True, kw_only=True):
    """The sums of an account. A new one is all zero; `price` 0 stands for the first price of the rules."""

    requests: int = 0
    """All requests of the account, exact hits and misses included."""
    audited_wrong: float = 0.0
    unaudited_risk: float = 0.0
    """Of answers that were not audited, their calibrated risks."""
    sampled_wrong: float = 0.0
    """An unbiased estimate of wrong answers among those not audited."""
    sampled_variance: float = 0.0
    pending: int = 0
    """Answers whose verdict has not come yet. Each counts as wrong until it does."""
    price: float = 0.0
    """The largest risk that is worth a hit."""
    wrong: float = 0.0
    """Wrong answers among all audited ones, beside `risk`, which was expected of them."""
    risk: float = 0.0
    lightly_wrong: float = 0.0
    """The same of answers whose audit was left to the coin."""
    light_risk: float = 0.0
    verified_wrong: float = 0.0
    """Wrong answers among those that the verifier allowed, beside `verified_doubt`, the doubt there was before."""
    verified_doubt: float = 0.0
    confirmed: float = 0.0
    """Right answers that the verifier allowed, of `confirmable` ones."""
    confirmable: float = 0.0


class AccountChange(msgspec.Struct, frozen=True, kw_only=True):
    """What one request adds to an account: the sums of the same names, and what was spent of the promise."""

    audited_wrong: float = 0.0
    unaudited_risk: float = 0.0
    sampled_wrong: float = 0.0
    sampled_variance: float = 0.0
    pending: int = 0
    wrong: float = 0.0
    risk: float = 0.0
    lightly_wrong: float = 0.0
    light_risk: float = 0.0
    verified_wrong: float = 0.0
    verified_doubt: float = 0.0
    confirmed: float = 0.0
    confirmable: float = 0.0
    spent: float = 0.0
    """Wrong answers, weighted by their sampling, that the price of risk follows."""


SUMS: Final = tuple(name for name in AccountChange.__struct_fields__ if name != "spent")
"""The figures that are sums of changes."""


def with_change(figures: AccountFigures, change: AccountChange, rules: Rules) -> AccountFigures:
    """Return the figures after a request that changed them."""
    sums = {name: getattr(figures, name) + getattr(change, name) for name in SUMS}
    changed = msgspec.structs.replace(figures, **sums)
    return msgspec.structs.replace(changed, price=_next_price(changed, change.spent, rules))


def wrong_bound(figures: AccountFigures) -> float:
    """Return how many answers were wrong, or may have been, without those whose verdict is pending."""
    sampled = figures.sampled_wrong + _DEVIATIONS * sqrt(figures.sampled_variance)
    return figures.audited_wrong + max(figures.unaudited_risk, sampled)


def is_open(figures: AccountFigures, rules: Rules) -> bool:
    """Return whether one more answer may be wrong, and the promise still holds."""
    requests = figures.requests
    allowed = rules.delta * (requests + _ADVANCE * max(0.0, 1.0 - requests / _ADVANCE_REQUESTS))
    return wrong_bound(figures) + 1.0 + figures.pending <= allowed


def min_audit_share(figures: AccountFigures, rules: Rules) -> float:
    """Return the share of answers that are audited at least, 0.1 to 1."""
    if wrong_bound(figures) + 2.0 > 0.9 * rules.delta * figures.requests:
        return 1.0
    unspent = (1.0 - rules.spent_share) * rules.delta * figures.requests
    return min(1.0, max(0.1, _RULE_OF_THREE / unspent))


def audit_share(risk: float, figures: AccountFigures, rules: Rules, *, direct: bool) -> float:
    """Return the probability with which an answer of this risk is audited."""
    expected = risk * (risk_factor(figures) if direct else 1.0)
    return min(1.0, max(min_audit_share(figures, rules), expected / rules.audited_risk))


def price_of(figures: AccountFigures, rules: Rules) -> float:
    """Return the largest risk that is worth a hit."""
    return figures.price or rules.first_price


def risk_factor(figures: AccountFigures) -> float:
    """Return by how much answers are wrong more often than was expected, with what is not known yet."""
    return _factor(figures.wrong, figures.risk, _RISK_PRIOR)


def light_risk_factor(figures: AccountFigures) -> float:
    """Return the same of answers whose audit was left to the coin."""
    return _factor(figures.lightly_wrong, figures.light_risk, _RISK_PRIOR)


def verified_factor(figures: AccountFigures) -> float:
    """Return which part of the doubt remains after the verifier's yes."""
    return _factor(figures.verified_wrong, figures.verified_doubt, _VERIFIED_PRIOR)


def confirmation_share(figures: AccountFigures) -> float:
    """Return how often the verifier says yes to a right answer."""
    return (figures.confirmed + _RIGHT_PRIOR[0]) / (figures.confirmable + _RIGHT_PRIOR[1])


def _factor(wrong: float, expected: float, prior: tuple[float, float]) -> float:
    count = prior[0] + wrong
    return count / (prior[1] + expected) * (1.0 + 1.0 / sqrt(count))


def _next_price(figures: AccountFigures, spent: float, rules: Rules) -> float:
    """Return the price after a request, a little lower if it spent more than its part, a little higher if less."""
    delta = rules.delta
    target = rules.spent_share * delta
    unspent = (target * figures.requests - wrong_bound(figures)) / _HORIZON
    aim = max(-0.5 * delta, min(target + unspent, 2.0 * delta))
    price = price_of(figures, rules) * exp(rules.pace * (aim - spent) / delta)
    return min(MAX_PRICE, max(delta / MIN_PRICE_DIVISOR, price))
