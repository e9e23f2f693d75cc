"""The faults in force: how likely each is, for everybody and for single keys."""

from collections.abc import Mapping
from random import Random
from typing import Any

from tidegate.simulator.faults import Fault, draw
from tidegate.simulator.options import unknown_fault
from tidegate.simulator.refusal import invalid

Probabilities = dict[Fault, float]


class ActiveFaults:
    """Which faults are to be expected."""

    def __init__(self, faults: Mapping[str, float], by_key: Mapping[str, Mapping[str, float]]) -> None:
        """`by_key` has the endings of keys. Raises ValueError for a fault that does not exist."""
        self._for_all_keys = _named(faults)
        self._by_key = {ending: _named(likely) for ending, likely in by_key.items()}

    def set_faults(self, faults: Mapping[str, Any], *, ending: str = "") -> None:
        """From now on these, for all keys or for those that end so; no faults for a clear sky. Raises Refusal."""
        for name, probability in faults.items():
            if name not in set(Fault):
                raise unknown_fault(name)
            if not isinstance(probability, int | float) or not 0 <= probability <= 1:
                raise invalid(f"The probability of {name} must be a number from 0 to 1.")
        if not ending:
            self._for_all_keys = _named(faults)
        elif faults:
            self._by_key[ending] = _named(faults)
        else:
            self._by_key.pop(ending, None)

    def draw_fault(self, key: str, random: Random) -> Fault | None:
        """The fault that strikes a request with this key, if one does: the key's own come first."""
        for ending, faults in self._by_key.items():
            if key.endswith(ending) and (fault := draw(faults, random)):
                return fault
        return draw(self._for_all_keys, random)

    def as_json(self) -> dict[str, Any]:
        """All of it, ready for JSON."""
        return {"faults": self._for_all_keys, "by_key": self._by_key}


def _named(faults: Mapping[str, float]) -> Probabilities:
    return {Fault(name): probability for name, probability in faults.items()}
