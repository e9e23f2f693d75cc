"""The active faults: their probabilities, for all keys and for single keys."""

from collections.abc import Mapping
from random import Random
from typing import Any

from tidegate.simulator.faults import Fault, draw
from tidegate.simulator.options import unknown_fault
from tidegate.simulator.refusal import invalid

Probabilities = dict[Fault, float]


class ActiveFaults:
    """The faults that may strike."""

    def __init__(self, faults: Mapping[str, float], by_key: Mapping[str, Mapping[str, float]]) -> None:
        """`by_key` has the last characters of keys. Raises ValueError for an unknown fault."""
        self._for_all_keys = _named(faults)
        self._by_key = {ending: _named(likely) for ending, likely in by_key.items()}

    def set_faults(self, faults: Mapping[str, Any], *, ending: str = "") -> None:
        """Replace the faults of all keys, or of the keys that end with `ending`; none removes them. Raises Refusal."""
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
        """Return the fault that strikes a request with this key, if any; the key's own faults come first."""
        for ending, faults in self._by_key.items():
            if key.endswith(ending) and (fault := draw(faults, random)):
                return fault
        return draw(self._for_all_keys, random)

    def as_json(self) -> dict[str, Any]:
        """Return all faults, ready for JSON."""
        return {"faults": self._for_all_keys, "by_key": self._by_key}


def _named(faults: Mapping[str, float]) -> Probabilities:
    return {Fault(name): probability for name, probability in faults.items()}
