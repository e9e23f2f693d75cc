"""Bounds what a flood of refused calls writes: the first ones of a minute singly, the rest as one count.

Used by the ledger and by the call log.
"""

import msgspec

from tidegate.core.call_report import CallReport
from tidegate.core.clock import Clock

WINDOW_SECONDS = 60.0
MAX_SINGLE = 20
"""The refusals of one key for one reason that are written singly in a window."""
MAX_GROUPS = 1_000
"""The keys and reasons that are told apart in a window; what is beyond counts as one group for each reason."""


class RepeatedRefusals(msgspec.Struct, frozen=True, kw_only=True):
    """The refusals of one key for one reason that were not written singly."""

    count: int
    last: CallReport


class _Group:
    """The refusals of one key for one reason in one window."""

    def __init__(self, until: float) -> None:
        self.until = until
        self.single = 0
        self.repeats = 0
        self.last: CallReport | None = None


class RefusalWindow:
    """Decide of each refused call whether it is written singly or counted."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._groups: dict[tuple[str, str], _Group] = {}

    def admits(self, report: CallReport) -> bool:
        """Return whether the refusal is to be written singly; otherwise it is counted."""
        key, now = (report.entry.key_id, report.entry.outcome), self._clock.monotonic()
        group = self._groups.get(key)
        if group is None and len(self._groups) >= MAX_GROUPS:
            key = ("", report.entry.outcome)
            group = self._groups.get(key)
        if group is None:
            group = self._groups[key] = _Group(now + WINDOW_SECONDS)
        if group.single < MAX_SINGLE:
            group.single += 1
            return True
        group.repeats += 1
        group.last = report
        return False

    def take_repeats(self, *, at_end: bool = False) -> list[RepeatedRefusals]:
        """Return the counts of the windows that have ended, or of all `at_end`, and begin anew."""
        now = self._clock.monotonic()
        over = {key: group for key, group in self._groups.items() if at_end or group.until <= now}
        for key in over:
            del self._groups[key]
        return [
            RepeatedRefusals(count=group.repeats, last=group.last) for group in over.values() if group.last is not None
        ]
