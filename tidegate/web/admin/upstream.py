"""What an operator sees of the upstream over HTTP, and how a credential is taken out and back."""

from datetime import UTC, datetime
from typing import Annotated, Literal, Self

from fastapi import Path
from pydantic import Field

from tidegate.routing.health.report import HealthEntry, HealthReport, UpstreamHealth
from tidegate.web.admin.schemas import Name, Schema

Provider = Annotated[Name, Path(description="The provider's name in the configuration.")]
Credential = Annotated[Name, Path(description="The credential's name at its provider.")]


def _utc(seconds: float | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)


class UpstreamStateView(Schema):
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
    def of(cls, shown: HealthEntry) -> Self:
        """The target or credential."""
        since, until = _utc(shown.since), _utc(shown.until)
        return cls(
            name=shown.name, state=shown.state, since=since, until=until, error=shown.error, message=shown.message
        )


class UpstreamView(Schema):
    """All targets that routes name or that are not well, and all credentials."""

    object: Literal["upstream"] = "upstream"
    targets: list[UpstreamStateView]
    credentials: list[UpstreamStateView]

    @classmethod
    def of(cls, shown: UpstreamHealth) -> Self:
        """Everything."""
        return cls(
            targets=[UpstreamStateView.of(one) for one in shown.targets],
            credentials=[UpstreamStateView.of(one) for one in shown.credentials],
        )


class UpstreamHandlers:
    """Shows the upstream, and suspends and resumes its credentials."""

    def __init__(self, report: HealthReport) -> None:
        self._report = report

    async def show(self) -> UpstreamView:
        """Show how targets and credentials stand, as all replicas know it."""
        return UpstreamView.of(await self._report.read())

    async def suspend(self, provider: Provider, credential: Credential) -> UpstreamStateView:
        """Take a credential out: no replica sends a call with it until it is resumed."""
        return UpstreamStateView.of(await self._report.suspend(f"{provider}/{credential}"))

    async def resume(self, provider: Provider, credential: Credential) -> UpstreamStateView:
        """Take a credential back, whatever took it out."""
        return UpstreamStateView.of(await self._report.resume(f"{provider}/{credential}"))
