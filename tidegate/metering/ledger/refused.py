"""Writes calls that a known key was refused to the ledger, at no cost: a flood of them becomes a few entries."""

import msgspec

from tidegate.core.call_report import CallClass, CallReport
from tidegate.core.clock import Clock
from tidegate.core.ids import IdSource
from tidegate.core.ledger_entry import LedgerEntry
from tidegate.core.periodic import PeriodicTask
from tidegate.core.process.refusal_window import RefusalWindow
from tidegate.metering.ledger.entries import Ledger

MAX_WAITING = 1_000
"""Entries that wait for the next round; further ones are dropped and counted."""
_ROUND_SECONDS = 1.0
_RECORDED = (CallClass.REFUSED, CallClass.FAILED)


class RefusedCalls:
    """Write the entries of calls that ended before they were admitted. Implements `CallObserver`."""

    def __init__(self, ledger: Ledger, clock: Clock, ids: IdSource) -> None:
        """Use it between `start` and `close`; `ledger` must be open until then."""
        self._ledger = ledger
        self._ids = ids
        self._window = RefusalWindow(clock)
        self._waiting: list[LedgerEntry] = []
        self._round = PeriodicTask("refused-calls", self._write, every=_ROUND_SECONDS, wait_first=True)
        self.dropped = 0
        """Entries that were not written, because too many waited."""

    async def start(self) -> None:
        """Start to write."""
        await self._round.start()

    async def close(self) -> None:
        """Write what is waiting, and stop."""
        await self._round.close()
        self._note_repeats(at_end=True)
        await self._write()

    def observe(self, report: CallReport) -> None:
        """Take note of a call that has no entry yet and whose key is known."""
        if report.in_ledger or not report.entry.key_id or report.call_class not in _RECORDED:
            return
        if self._window.admits(report):
            self._add(report.entry)

    def _add(self, entry: LedgerEntry) -> None:
        if len(self._waiting) < MAX_WAITING:
            self._waiting.append(entry)
        else:
            self.dropped += 1

    def _note_repeats(self, *, at_end: bool = False) -> None:
        for repeated in self._window.take_repeats(at_end=at_end):
            self._add(
                msgspec.structs.replace(repeated.last.entry, id=self._ids("refused_"), repeats=repeated.count - 1)
            )

    async def _write(self) -> None:
        self._note_repeats()
        waiting, self._waiting = self._waiting, []
        for entry in waiting:
            if self._ledger.buffered_count:  # neither Redis nor the disk takes entries: those of paid calls go first
                self.dropped += 1
            else:
                await self._ledger.append(entry)
