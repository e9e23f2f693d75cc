"""What an operator sees of the upstream over HTTP, and how a credential is taken out and back."""

from datetime import UTC, datetime
from typing import Annotated, Literal, Self

from fastapi import Path
from pydantic import Field

from tidegate.routing.health.report import Shown, StandingReport, UpstreamShown
from tidegate.web.admin.schemas import Name, Shape

Provider = Annotated[Name, Path(description="The provider's name in the configuration.")]
Credential = Annotated[Name, Path(description="The credential's name at its provider.")]


def _moment(seconds: float | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)


class StandingShape(Shape):
    """A target or a credential, and how it stands."""

    name: str
    state: str = Field(
        description="Of a target: closed (it is asked), open, half_open. Of a credential: healthy, limited (for "
        "one of its models), out_of_quota, invalid, suspended."
    )
    since: datetime | None = Field(description="Null where it was never anything else.")
    until: datetime | None = Field(default=None, description="The end of a rate limit.")
    error: str | None = Field(description="The name of the error that brought it here.")
    message: str | None = Field(description="The error's words.")

    @classmethod
    def of(cls, shown: Shown) -> Self:
        """The target or credential."""
        since, until = _moment(shown.since), _moment(shown.until)
        return cls(
            name=shown.name, state=shown.state, since=since, until=until, error=shown.error, message=shown.message
        )


class UpstreamShape(Shape):
    """All targets that routes name or that are not well, and all credentials."""

    object: Literal["upstream"] = "upstream"
    targets: list[StandingShape]
    credentials: list[StandingShape]

    @classmethod
    def of(cls, shown: UpstreamShown) -> Self:
        """Everything."""
        return cls(
            targets=[StandingShape.of(one) for one in shown.targets],
            credentials=[StandingShape.of(one) for one in shown.credentials],
        )


class UpstreamDesk:
    """Shows the upstream, and suspends and resumes its credentials."""

    def __init__(self, report: StandingReport) -> None:
        self._report = report

    async def show(self) -> UpstreamShape:
        """Show how targets and credentials stand, as all replicas know it."""
        return UpstreamShape.of(await self._report.read())

    async def suspend(self, provider: Provider, credential: Credential) -> StandingShape:
        """Take a credential out: no replica sends a call with it until it is resumed."""
        return StandingShape.of(await self._report.suspend(f"{provider}/{credential}"))

    async def resume(self, provider: Provider, credential: Credential) -> StandingShape:
        """Take a credential back, whatever took it out."""
        return StandingShape.of(await self._report.resume(f"{provider}/{credential}"))
