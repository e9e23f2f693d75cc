"""What observes the calls of a process, and how they are reported to it."""

from tidegate.assembly.base import Base
from tidegate.pipeline.call_record import CallReporter
from tidegate.web.envelope import status_of


def make_reporter(base: Base) -> CallReporter | None:
    """Return what reports calls to the observers of `base`; None where there are none, so that calls cost no more."""
    return CallReporter(base.call_observers, base.clock, status_of) if base.call_observers else None
