"""A mode is ready once enough was seen and judged, and the account keeps its promise."""

import pytest

from tidegate.cache.semantic.account import AccountFigures
from tidegate.cache.semantic.state.report import ActionSummary, ModeSummary, upper_bound


def _mode(requests: int, judged: int, wrong: float) -> ModeSummary:
    action = ActionSummary(
        mode="shadow", action="verified", requests=judged, audited=judged, right=judged, wrong=0, saved_nanos=7
    )
    account = AccountFigures(requests=requests, audited_wrong=wrong)
    return ModeSummary(mode="shadow", actions=(action,), account=account, delta=0.01)


@pytest.mark.parametrize(
    ("requests", "judged", "wrong", "verdict"),
    [
        (499, 100, 0.0, "not ready: 499 of 500 requests"),
        (500, 99, 0.0, "not ready: 99 of 100 answers"),
        (500, 100, 6.0, "not ready: 1.20% of requests"),
        (500, 100, 5.0, "ready"),
    ],
)
def test_a_mode_says_what_is_missing(requests: int, judged: int, wrong: float, verdict: str) -> None:
    mode = _mode(requests, judged, wrong)
    assert mode.verdict.startswith(verdict)
    assert (mode.answers, mode.saved_nanos, mode.false_yes) == (judged, 7, (0, judged))


@pytest.mark.parametrize(
    ("wrong", "judged", "bound"), [(0, 0, 1.0), (0, 100, 0.026), (1, 100, 0.044), (50, 100, 0.581)]
)
def test_the_share_of_wrong_ones_has_an_upper_bound(wrong: int, judged: int, bound: float) -> None:
    assert upper_bound(wrong, judged) == pytest.approx(bound, abs=0.003)
