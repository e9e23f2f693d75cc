"""Inject faults into single rounds of periodic tasks, and read what the tasks log about them."""

from collections.abc import Iterable, Mapping
from typing import Any


class Fault:
    """A defect that is raised as often as it was armed."""

    def __init__(self) -> None:
        self.armed = 0

    def arm(self, times: int = 1) -> None:
        """Raise in the next calls of `trip`."""
        self.armed = times

    def trip(self) -> None:
        """Raise ZeroDivisionError while armed."""
        if self.armed:
            self.armed -= 1
            raise ZeroDivisionError("an injected defect")


def task_log_levels(logs: Iterable[Mapping[str, Any]], task: str) -> list[str]:
    """Return the levels of the log lines about one periodic task."""
    return [log["log_level"] for log in logs if log.get("task") == task]
