"""The calibration follows one account's verdicts, and never promises certainty."""

from tests.cache.semantic.parts import weighed
from tidegate.cache.semantic.calibration import UNFITTED, Calibration, weigh


def test_probabilities_exclude_each_other() -> None:
    candidates = [weighed(0.9, answer=name).candidate for name in ("a", "b", "c")]
    found = weigh(candidates, [9.0, 9.0, 9.0], UNFITTED)

    assert sum(each.probability for each in found) < 1.0


def test_verdicts_that_contradict_the_prior_lower_it() -> None:
    calibration = Calibration(firmness=1.0)
    confident = weighed(0.95)
    for _ in range(100):
        calibration.learn(confident, right=False)
    (after,) = weigh([confident.candidate], [confident.score], calibration.fit)

    assert after.probability < 0.3


def test_fewer_than_fifty_verdicts_change_nothing() -> None:
    calibration = Calibration(firmness=1.0)
    for _ in range(49):
        calibration.learn(weighed(0.95), right=False)

    assert calibration.fit == UNFITTED


def test_a_firm_prior_moves_less() -> None:
    loose, firm = Calibration(firmness=1.0), Calibration(firmness=50.0)
    for _ in range(100):
        loose.learn(weighed(0.95), right=False)
        firm.learn(weighed(0.95), right=False)

    assert firm.fit[1] > loose.fit[1]
