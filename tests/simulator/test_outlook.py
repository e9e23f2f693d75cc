"""Faults strike all keys or single keys, and a key's own faults come first."""

from random import Random

import pytest

from tidegate.simulator.faults import Fault
from tidegate.simulator.outlook import ActiveFaults
from tidegate.simulator.refusal import Refusal

RANDOM = Random(1)  # noqa: S311  # repeatable on purpose


@pytest.mark.parametrize(
    ("key", "fault"),
    [
        ("sk-one", Fault.OVERLOADED),
        ("sk-two", Fault.OUT_OF_QUOTA),
        ("sk-22-two", Fault.OUT_OF_QUOTA),
        ("", "overloaded"),
    ],
)
def test_a_keys_own_faults_come_first(key: str, fault: Fault) -> None:
    outlook = ActiveFaults({"overloaded": 1.0}, {"two": {"out_of_quota": 1.0}, "three": {"timeout": 1.0}})
    assert outlook.draw_fault(key, RANDOM) == fault


def test_faults_change_for_all_and_for_one() -> None:
    outlook = ActiveFaults({}, {})
    assert outlook.draw_fault("sk-one", RANDOM) is None
    outlook.set_faults({"stall": 1}, ending="one")
    outlook.set_faults({"overloaded": 1})
    assert outlook.as_json() == {"faults": {"overloaded": 1}, "by_key": {"one": {"stall": 1}}}
    outlook.set_faults({}, ending="one")
    outlook.set_faults({}, ending="never-set")
    outlook.set_faults({})
    assert outlook.as_json() == {"faults": {}, "by_key": {}}


@pytest.mark.parametrize("ending", ["", "one"])
@pytest.mark.parametrize("faults", [{"lightning": 1}, {"stall": 2}, {"stall": "often"}, {"stall": None}])
def test_what_is_no_fault_is_refused_and_changes_nothing(faults: dict[str, object], ending: str) -> None:
    outlook = ActiveFaults({}, {})
    with pytest.raises(Refusal):
        outlook.set_faults(faults, ending=ending)
    assert outlook.as_json() == {"faults": {}, "by_key": {}}
