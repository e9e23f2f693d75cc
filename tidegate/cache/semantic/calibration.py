"""Fits the prior's scores to one account's traffic: a ridge regression over the last verdicts."""

from collections import deque
from collections.abc import Sequence
from math import exp
from typing import Final

import numpy as np
import numpy.typing as npt

from tidegate.cache.semantic.candidates import Candidate

Coefficients = tuple[float, float, float, float, float]
"""Of the intercept, the score, the reliability, the similarity, and the rank."""

UNFITTED: Final[Coefficients] = (0.0, 1.0, 0.0, 0.0, 0.0)
_WEIGHTS = (4.0, 40.0, 40.0, 4.0, 20.0)
"""How firmly each coefficient stays where it was."""
_MAX_VERDICTS = 5000
_REFIT_AFTER = 50
_STEPS = 8
_HALVINGS = 10
_ENOUGH = 1e-4
_MIN_SLOPE = 0.2
_LIMIT = 30.0
_MAX_SUM = 0.999
"""At least this doubt remains that none of the candidates is the answer."""

Row = tuple[float, float, float, float, float]


class Weighed(tuple[Candidate, float, float]):
    """A candidate, its score, and the probability that it answers the question."""

    __slots__ = ()

    @property
    def candidate(self) -> Candidate:
        """The candidate."""
        return self[0]

    @property
    def score(self) -> float:
        """What the prior says of it."""
        return self[1]

    @property
    def probability(self) -> float:
        """With which it answers the question."""
        return self[2]


def weigh(candidates: Sequence[Candidate], scores: Sequence[float], fit: Coefficients) -> tuple[Weighed, ...]:
    """Return the candidates with their probabilities, which exclude each other."""
    chances = [1.0 / (1.0 + exp(-_logit(_row(c, s), fit))) for c, s in zip(candidates, scores, strict=True)]
    total = sum(chances)
    scale = _MAX_SUM / total if total > _MAX_SUM else 1.0
    return tuple(Weighed((c, s, chance * scale)) for c, s, chance in zip(candidates, scores, chances, strict=True))


class Calibration:
    """The fit of one account, which learns from verdicts."""

    def __init__(self, *, firmness: float) -> None:
        """`firmness` multiplies the weight of the prior: 10 where a verifier labels, 50 without one."""
        self._weights = np.array(_WEIGHTS) * firmness
        self._rows: deque[tuple[Row, float, float]] = deque(maxlen=_MAX_VERDICTS)
        self._fresh = 0
        self.fit: Coefficients = UNFITTED
        """The present coefficients."""

    def learn(self, weighed: Weighed, *, right: bool, weight: float = 1.0) -> None:
        """Note a verdict; every fiftieth fits the coefficients anew."""
        self.learn_row(row_of(weighed), right=right, weight=weight)

    def learn_row(self, row: Row, *, right: bool, weight: float = 1.0) -> None:
        """Note a verdict on the candidate that a row stands for."""
        self._rows.append((row, 1.0 if right else 0.0, weight))
        self._fresh += 1
        if self._fresh >= _REFIT_AFTER:
            self._fresh = 0
            self.fit = _refit(self._rows, self.fit, self._weights)


def row_of(weighed: Weighed) -> Row:
    """Return what the calibration reads of a candidate."""
    return _row(weighed.candidate, weighed.score)


def _row(candidate: Candidate, score: float) -> Row:
    return (1.0, score, candidate.reliability, (candidate.cosine - 0.7) * 5.0, candidate.rank)


def _logit(row: Row, fit: Coefficients) -> float:
    return min(_LIMIT, max(-_LIMIT, sum(a * b for a, b in zip(row, fit, strict=True))))


def _refit(
    verdicts: deque[tuple[Row, float, float]], start: Coefficients, weights: npt.NDArray[np.float64]
) -> Coefficients:
    """Return the coefficients that fit the verdicts best, by Newton's steps from the present ones."""
    rows = np.array([row for row, _, _ in verdicts])
    labels = np.array([label for _, label, _ in verdicts])
    importance = np.array([weight for _, _, weight in verdicts])
    prior, fit = np.array(UNFITTED), np.array(start)

    def loss(at: npt.NDArray[np.float64]) -> float:
        logits = np.clip(rows @ at, -_LIMIT, _LIMIT)
        misfit = importance @ (np.logaddexp(0.0, logits) - labels * logits)
        return float(misfit + 0.5 * (weights @ (at - prior) ** 2))

    for _ in range(_STEPS):
        chances = 1.0 / (1.0 + np.exp(-np.clip(rows @ fit, -_LIMIT, _LIMIT)))
        slope = rows.T @ (importance * (labels - chances)) - weights * (fit - prior)
        curvature = (rows.T * (importance * chances * (1.0 - chances))) @ rows + np.diag(weights)
        step = np.linalg.solve(curvature, slope)
        for _ in range(_HALVINGS):  # where the prior was far off, a whole step would leap beyond the best fit
            if loss(fit + step) <= loss(fit):
                break
            step = step / 2
        fit = fit + step
        if np.abs(step).max() < _ENOUGH:
            break
    fit[1] = max(_MIN_SLOPE, fit[1])
    first, second, third, fourth, fifth = (float(value) for value in fit)
    return (first, second, third, fourth, fifth)
