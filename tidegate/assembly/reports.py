"""What observes the calls of a process, and how they are reported to it."""

import os
import sys
from pathlib import Path
from random import SystemRandom

from tidegate.assembly.base import Base
from tidegate.core.config.platform import detected_platform
from tidegate.core.ids import new_id
from tidegate.metering.ledger.entries import Ledger
from tidegate.metering.ledger.refused import RefusedCalls
from tidegate.monitoring.call_log.call_log import CallLog
from tidegate.monitoring.call_log.shapes import detected_shape, shaper
from tidegate.monitoring.call_log.writer import LineWriter
from tidegate.pipeline.call_record import CallReporter
from tidegate.web.envelope import status_of


async def add_call_records(base: Base, ledger: Ledger) -> None:
    """Let the call log and the ledger of refused calls observe the calls, if the configuration wants them."""
    if base.settings.call_log.level != "off":
        base.call_observers.append(await base.start(_call_log(base)))
    if base.settings.metering.record_refused:
        refused = await base.start(RefusedCalls(ledger, base.clock, new_id))
        base.call_observers.append(refused)
        help_text = "Entries of refused calls that were not written, because there were too many at once."
        base.counters.add_gauge("ledger_refused_dropped", help_text, lambda: refused.dropped)


def _call_log(base: Base) -> CallLog:
    config, writer = base.settings.call_log, LineWriter()
    shape = config.shape
    if shape == "auto":
        shape = detected_shape(detected_platform(os.environ, Path("/")), is_terminal=sys.stdout.isatty())
    project = config.google_project or os.environ.get("GOOGLE_CLOUD_PROJECT")
    help_text = "Lines of calls that were not written, because standard output took none."
    base.counters.add_gauge("call_log_dropped", help_text, lambda: writer.dropped)
    shape_line = shaper(shape, namespace=config.namespace, google_project=project)
    return CallLog(config, shape_line, writer, clock=base.clock, random=SystemRandom())


def make_reporter(base: Base) -> CallReporter | None:
    """Return what reports calls to the observers of `base`; None where there are none, so that calls cost no more."""
    return CallReporter(base.call_observers, base.clock, status_of) if base.call_observers else None
