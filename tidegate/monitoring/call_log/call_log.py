"""Writes one line for each call that the configuration wants in the log."""

from random import Random

from tidegate.core.call_report import CallClass, CallReport
from tidegate.core.clock import Clock
from tidegate.core.config import CallLogConfig
from tidegate.core.periodic import PeriodicTask
from tidegate.core.process.line_writer import LineWriter
from tidegate.core.process.refusal_window import RefusalWindow
from tidegate.monitoring.call_log.line import line_of
from tidegate.monitoring.call_log.shapes import Shaper

_ROUND_SECONDS = 1.0
_ANSWERED, _REFUSED = CallClass.ANSWERED, CallClass.REFUSED
_NO_ERRORS = (CallClass.ANSWERED, CallClass.CLIENT_GONE)


class CallLog:
    """Write a line for each call. Implements `CallObserver`."""

    def __init__(
        self, config: CallLogConfig, shape: Shaper, writer: LineWriter, *, clock: Clock, random: Random
    ) -> None:
        """Use it between `start` and `close`; it starts and closes the writer, too."""
        self._only_errors = config.level == "errors"
        self._sample_ratio = config.sample_ratio
        self._shape = shape
        self._writer = writer
        self._random = random
        self._window = RefusalWindow(clock)
        self._round = PeriodicTask("call-log", self._write_repeats, every=_ROUND_SECONDS, wait_first=True)

    async def start(self) -> None:
        """Start to write."""
        self._writer.start()
        await self._round.start()

    async def close(self) -> None:
        """Write what is waiting, and stop."""
        await self._round.close()
        self._add_repeats(at_end=True)
        self._writer.close()

    def observe(self, report: CallReport) -> None:
        """Write the line of a call, unless it is left out or one of very many refusals."""
        call_class = report.call_class
        if self._only_errors and call_class in _NO_ERRORS:
            return
        if call_class is _ANSWERED:
            if self._sample_ratio < 1.0 and self._random.random() >= self._sample_ratio:
                return
        elif call_class is _REFUSED and not self._window.admits(report):
            return
        self._writer.add(self._shape(line_of(report)))

    def _add_repeats(self, *, at_end: bool = False) -> None:
        for repeated in self._window.take_repeats(at_end=at_end):
            self._writer.add(self._shape(line_of(repeated.last, repeats=repeated.count - 1)))

    async def _write_repeats(self) -> None:
        self._add_repeats()
