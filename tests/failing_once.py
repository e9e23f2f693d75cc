"""A defect that strikes one round of a background task, and the log lines about it."""

from collections.abc import Iterable, Mapping
from typing import Any


class FailingOnce:
    """Raises an error on the first call, and does nothing on all others."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self) -> None:
        """Count the call, and raise on the first."""
        self.calls += 1
        if self.calls == 1:
            raise ZeroDivisionError("a defect")


def failed_rounds(logs: Iterable[Mapping[str, Any]]) -> list[tuple[str, str]]:
    """Return the task and the error of each log line about a failed round."""
    return [(line["task"], line["error"]) for line in logs if line["event"] == "periodic task fails and will retry"]
