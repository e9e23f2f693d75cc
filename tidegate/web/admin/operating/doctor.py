"""`/admin/v1/doctor`: what is wrong with this gateway. Registered by routes.py; the command is `tidegate doctor`."""

from collections.abc import Awaitable, Callable, Iterable
from typing import Literal, Self

from pydantic import Field

from tidegate.doctor.finding import DoctorFinding, worst
from tidegate.web.admin.schemas import Schema

VerdictName = Literal["good", "doubtful", "bad"]


class DoctorFindingView(Schema):
    """One thing that was looked at."""

    check: str
    verdict: VerdictName
    text: str
    remedy: str = Field(description="What to do; empty where nothing is wrong.")


class DoctorView(Schema):
    """Everything that was looked at."""

    object: Literal["doctor"] = "doctor"
    verdict: VerdictName = Field(description="The worst of all.")
    findings: list[DoctorFindingView]

    @classmethod
    def of(cls, findings: Iterable[DoctorFinding]) -> Self:
        """Return the findings."""
        found = list(findings)
        views = [
            {"check": each.check, "verdict": each.verdict.value, "text": each.text, "remedy": each.remedy}
            for each in found
        ]
        return cls.model_validate({"verdict": worst(found).value, "findings": views})


class DoctorHandlers:
    """Examines the gateway."""

    def __init__(self, examine: Callable[[], Awaitable[list[DoctorFinding]]]) -> None:
        self._examine = examine

    async def get(self) -> DoctorView:
        """Examine stores, providers, keys, money and time limits, within 15 seconds. Sends no paid call."""
        return DoctorView.of(await self._examine())
