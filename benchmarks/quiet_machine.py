"""Say whether the machine is quiet enough for figures that others may rely on.

The machine is looked at while nothing of the benchmark works: what is busy then belongs to others. Steal, the time that
the host gave to other machines, is taken over the whole run.
"""

import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import msgspec

MAX_BUSY = 0.05
"""Of all cores, at the median of the looks. Contestants that wait for calls take up to 0.02 of it."""
MAX_BUSY_ONCE = 0.25
MAX_STEAL = 0.02
MAX_NOISE = 0.10
"""By how much two turns of one contestant may differ at the median."""

_FIELDS = ("user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal")
_STAT = Path("/proc/stat")


class Times(msgspec.Struct, frozen=True, kw_only=True):
    """Ticks of all cores together, since the start of the machine."""

    idle: int
    steal: int
    total: int

    @classmethod
    def parse(cls, stat: str) -> "Times":
        """Read them from the first line of /proc/stat."""
        ticks = dict(zip(_FIELDS, map(int, stat.split("\n", 1)[0].split()[1:]), strict=False))
        return cls(idle=ticks["idle"] + ticks["iowait"], steal=ticks["steal"], total=sum(ticks.values()))

    @classmethod
    def now(cls) -> "Times":
        """Read those of this machine."""
        return cls.parse(_STAT.read_text())

    def since(self, before: "Times") -> "Times":
        """Return what passed since `before`."""
        return Times(
            idle=self.idle - before.idle, steal=self.steal - before.steal, total=max(1, self.total - before.total)
        )

    @property
    def busy(self) -> float:
        """Return the share of all cores that worked, or that the host took."""
        return 1 - self.idle / self.total

    @property
    def stolen(self) -> float:
        """Return the share that the host gave to others."""
        return self.steal / self.total


class QuietWatch:
    """Looks at the machine through a run."""

    def __init__(self, now: Callable[[], Times] = Times.now, sleep: Callable[[float], None] = time.sleep) -> None:
        """Begin; `now` and `sleep` are the system's."""
        self._now = now
        self._sleep = sleep
        self._begun = now()
        self.looks: list[float] = []

    def look(self, seconds: float) -> float:
        """Return the share of all cores that is busy now, with work that is not the benchmark's."""
        before = self._now()
        self._sleep(seconds)
        self.looks.append(self._now().since(before).busy)
        return self.looks[-1]

    def stolen(self) -> float:
        """Return the share that the host took since the beginning."""
        return self._now().since(self._begun).stolen


def complaints(looks: Sequence[float], stolen: float, noise: float | None) -> Iterator[str]:
    """Yield why results of this machine would mislead; `noise` is how far two equal contestants differed."""
    if (usual := statistics.median(looks)) > MAX_BUSY:
        yield f"other work kept {usual:.0%} of the cores busy (at most {MAX_BUSY:.0%})"
    if (most := max(looks)) > MAX_BUSY_ONCE:
        yield f"other work kept {most:.0%} of the cores busy once (at most {MAX_BUSY_ONCE:.0%})"
    if stolen > MAX_STEAL:
        yield f"the host gave {stolen:.1%} of the cores to others (at most {MAX_STEAL:.0%})"
    if noise is not None and noise > MAX_NOISE:
        yield f"the same gateway differed from itself by {noise:.0%} (at most {MAX_NOISE:.0%})"
