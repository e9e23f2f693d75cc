"""What the doctor says: one line for each thing that it looked at. Pure."""

from collections.abc import Iterable
from enum import StrEnum

import msgspec


class Verdict(StrEnum):
    """How something is."""

    GOOD = "good"
    DOUBTFUL = "doubtful"
    """It works, and may fail or cost more than it should."""
    BAD = "bad"
    """Calls fail, money is lost, or they will be."""


class DoctorFinding(msgspec.Struct, frozen=True, kw_only=True):
    """One line."""

    check: str
    """What was looked at, such as `redis_policy`."""
    verdict: Verdict
    text: str
    remedy: str = ""
    """What to do; empty where nothing is wrong."""


def good(check: str, text: str) -> DoctorFinding:
    """Return a line that says that something is as it should be."""
    return DoctorFinding(check=check, verdict=Verdict.GOOD, text=text)


def doubtful(check: str, text: str, remedy: str) -> DoctorFinding:
    """Return a line that says what may fail, and what to do."""
    return DoctorFinding(check=check, verdict=Verdict.DOUBTFUL, text=text, remedy=remedy)


def bad(check: str, text: str, remedy: str) -> DoctorFinding:
    """Return a line that says what is broken, and what to do."""
    return DoctorFinding(check=check, verdict=Verdict.BAD, text=text, remedy=remedy)


def worst(findings: Iterable[DoctorFinding]) -> Verdict:
    """Return the worst verdict; good where there is no finding."""
    order = list(Verdict)
    return max((finding.verdict for finding in findings), key=order.index, default=Verdict.GOOD)


EXIT_CODES = {Verdict.GOOD: 0, Verdict.DOUBTFUL: 1, Verdict.BAD: 2}
"""Of the command, by the worst verdict."""
