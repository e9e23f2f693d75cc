"""Which core runs what, so that the gateway's core runs the gateway alone."""

import os
from collections.abc import Collection

import msgspec

from benchmarks.processes import BenchmarkError


class Cores(msgspec.Struct, frozen=True, kw_only=True):
    """A core for each part; parts share one where there are too few."""

    gateway: int
    stores: int
    upstream: int
    load: int

    @classmethod
    def of(cls, available: Collection[int]) -> "Cores":
        """Give the gateway a core of its own, and share the others out. Raises BenchmarkError for a single core."""
        if len(available) < 2:
            raise BenchmarkError("The benchmark needs two cores: one for the gateway alone. Nothing was measured.")
        gateway, *others = sorted(available)
        return cls(gateway=gateway, stores=others[0], upstream=others[1 % len(others)], load=others[2 % len(others)])

    @classmethod
    def here(cls) -> "Cores":
        """Share out the cores that this process may use. Raises BenchmarkError for a single one."""
        return cls.of(os.sched_getaffinity(0))

    def described(self) -> str:
        """Return one sentence for readers of the results."""
        parts = {"the stores": self.stores, "the upstream": self.upstream, "the load": self.load}
        if len(set(parts.values())) == 1:
            return f"The gateway runs alone on core {self.gateway}; stores, upstream and load share core {self.load}."
        places = ", ".join(f"{part} on core {core}" for part, core in parts.items())
        return f"The gateway runs alone on core {self.gateway}; {places}."
