"""Runs all checks together, each with its own deadline, so that one that hangs hides no other."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping

from tidegate.core.errors import TidegateError
from tidegate.core.scrub import scrub
from tidegate.doctor.finding import DoctorFinding, bad

CHECK_SECONDS = 8.0
"""For each check; all of them run together, so the whole takes little more."""

DoctorCheck = Callable[[], Awaitable[list[DoctorFinding]]]


async def run_checks(checks: Mapping[str, DoctorCheck], *, seconds: float = CHECK_SECONDS) -> list[DoctorFinding]:
    """Return the findings of all checks, in their order. A check that fails or takes too long is a finding, too."""
    results = await asyncio.gather(*(_run(name, check, seconds) for name, check in checks.items()))
    return [_scrubbed(finding) for findings in results for finding in findings]


async def _run(name: str, check: DoctorCheck, seconds: float) -> list[DoctorFinding]:
    try:
        async with asyncio.timeout(seconds):
            return await check()
    except TimeoutError:
        return [
            bad(name, f"There was no answer within {seconds:g} s.", "See whether the network and the server are up.")
        ]
    except (TidegateError, OSError) as error:
        text = error.message if isinstance(error, TidegateError) else str(error)
        return [bad(name, text, "Mend what the sentence names, then run the doctor again.")]


def _scrubbed(finding: DoctorFinding) -> DoctorFinding:
    """Return the finding without key material: a provider or a store may echo some."""
    return DoctorFinding(
        check=finding.check, verdict=finding.verdict, text=scrub(finding.text), remedy=scrub(finding.remedy)
    )
