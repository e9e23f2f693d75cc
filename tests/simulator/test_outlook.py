"""Faults strike everybody, or single keys, and a key's own come first."""

from random import Random

import pytest

from tidegate.simulator.faults import Fault
from tidegate.simulator.outlook import Outlook
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
    outlook = Outlook({"overloaded": 1.0}, {"two": {"out_of_quota": 1.0}, "three": {"timeout": 1.0}})
    assert outlook.strike(key, RANDOM) == fault


def test_faults_change_for_all_and_for_one() -> None:
    outlook = Outlook({}, {})
    assert outlook.strike("sk-one", RANDOM) is None
    outlook.change({"stall": 1}, ending="one")
    outlook.change({"overloaded": 1})
    assert outlook.shown() == {"faults": {"overloaded": 1}, "by_key": {"one": {"stall": 1}}}
    outlook.change({}, ending="one")
    outlook.change({}, ending="never-set")
    outlook.change({})
    assert outlook.shown() == {"faults": {}, "by_key": {}}


@pytest.mark.parametrize("ending", ["", "one"])
@pytest.mark.parametrize("faults", [{"lightning": 1}, {"stall": 2}, {"stall": "often"}, {"stall": None}])
def test_what_is_no_fault_is_refused_and_changes_nothing(faults: dict[str, object], ending: str) -> None:
    outlook = Outlook({}, {})
    with pytest.raises(Refusal):
        outlook.change(faults, ending=ending)
    assert outlook.shown() == {"faults": {}, "by_key": {}}
