"""What a suite reported, held against the list of exceptions; and the page that tells of both."""

import tomllib
from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from xml.etree import ElementTree as ET

import msgspec

HERE = Path(__file__).parent
EXCEPTIONS = HERE / "exceptions.toml"


class Outcome(msgspec.Struct, frozen=True):
    """One test of a suite."""

    name: str
    reason: str = ""
    """Why it failed or was skipped; empty for a test that passed."""


class Exempt(msgspec.Struct, frozen=True):
    """Tests that may fail, or be skipped, for one reason."""

    suite: str
    tests: str
    """A pattern of their names."""
    error: str
    """A part of the message with which they fail: another failure is not exempt."""
    why: str

    def covers(self, outcome: Outcome) -> bool:
        """Return whether this is a reason for the outcome."""
        return fnmatchcase(outcome.name, self.tests) and self.error in outcome.reason


class SuiteReport(msgspec.Struct, frozen=True):
    """A suite's outcomes."""

    suite: str
    outcomes: tuple[Outcome, ...]

    @property
    def figures(self) -> str:
        """Return how many passed, in a sentence."""
        passed = sum(not outcome.reason for outcome in self.outcomes)
        return f"{passed} of {len(self.outcomes)} passed"

    def complaints(self, exceptions: Sequence[Exempt]) -> list[str]:
        """Return each failure that no exception covers, and each exception that covers none."""
        mine = [one for one in exceptions if one.suite == self.suite]
        failed = [outcome for outcome in self.outcomes if outcome.reason]
        unnamed = [f"{one.name}: {one.reason}" for one in failed if not any(rule.covers(one) for rule in mine)]
        idle = [f"the exception {rule.tests} covers nothing" for rule in mine if not any(map(rule.covers, failed))]
        return unnamed + idle


def exceptions() -> list[Exempt]:
    """Return the listed exceptions."""
    return msgspec.convert(tomllib.loads(EXCEPTIONS.read_text())["exception"], list[Exempt])


def read(suite: str, junit: Path) -> SuiteReport:
    """Return the outcomes in the XML file that a suite wrote."""
    cases = ET.parse(junit).iter("testcase")  # noqa: S314  # written by our own process
    return SuiteReport(suite, tuple(_outcome(case) for case in cases))


def _outcome(case: ET.Element) -> Outcome:
    name = f"{case.get('classname', '').rpartition('.')[2]}::{case.get('name')}"
    for kind in ("failure", "error", "skipped"):
        if (found := case.find(kind)) is not None:
            return Outcome(name, f"{found.get('message')}\n{found.text}")  # a long message is whole in the text alone
    return Outcome(name)


def page(reports: Sequence[SuiteReport], titles: dict[str, str]) -> str:
    """Return the generated page."""
    lines = [
        "# Outside suites",
        "",
        "Test suites that others wrote, run through a gateway in front of the [simulator](../guides/simulator.md).",
        "`make outside` runs them and writes this page. Each test that does not pass is an exception named here.",
        "",
        "| suite | result |",
        "|---|---|",
    ]
    lines += [f"| {titles[report.suite]} | {report.figures} |" for report in reports]
    lines += ["", "## Exceptions", "", "| suite | tests | how many | why |", "|---|---|---|---|"]
    for rule in exceptions():
        report = next(one for one in reports if one.suite == rule.suite)
        count = sum(rule.covers(outcome) for outcome in report.outcomes if outcome.reason)
        lines.append(f"| {titles[rule.suite]} | `{rule.tests}` | {count} | {rule.why} |")
    return "\n".join(lines) + "\n"
