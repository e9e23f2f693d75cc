"""`/admin/v1/upstream`: targets and credentials. Registered by routes.py; the command is `tidegate upstream`."""

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
    """The state of a target or a credential."""

    name: str
    state: str = Field(
        description="Of a target: `closed` (in use), `open`, `half_open`. Of a credential: `healthy`, `limited` (for "
        "one of its models), `out_of_quota`, `invalid`, `suspended`."
    )
    since: datetime | None = Field(description="null if the state never changed.")
    until: datetime | None = Field(default=None, description="The end of a rate limit.")
    error: str | None = Field(description="The name of the error that caused the state.")
    message: str | None = Field(description="The error's message.")

    @classmethod
    def of(cls, entry: HealthEntry) -> Self:
        """Return the target or credential."""
        since, until = _utc(entry.since), _utc(entry.until)
        return cls(
            name=entry.name, state=entry.state, since=since, until=until, error=entry.error, message=entry.message
        )


class UpstreamView(Schema):
    """Targets that are in routes or not healthy, and all credentials."""

    object: Literal["upstream"] = "upstream"
    targets: list[UpstreamStateView]
    credentials: list[UpstreamStateView]

    @classmethod
    def of(cls, health: UpstreamHealth) -> Self:
        """Return all targets and credentials."""
        return cls(
            targets=[UpstreamStateView.of(entry) for entry in health.targets],
            credentials=[UpstreamStateView.of(entry) for entry in health.credentials],
        )


class UpstreamHandlers:
    """Shows targets and credentials, suspends and resumes credentials."""

    def __init__(self, report: HealthReport) -> None:
        self._report = report

    async def get(self) -> UpstreamView:
        """Show the state of all targets and credentials, as shared by all replicas."""
        return UpstreamView.of(await self._report.read())

    async def suspend(self, provider: Provider, credential: Credential) -> UpstreamStateView:
        """Suspend a credential: no replica uses it until it is resumed."""
        return UpstreamStateView.of(await self._report.suspend(f"{provider}/{credential}"))

    async def resume(self, provider: Provider, credential: Credential) -> UpstreamStateView:
        """Resume a credential, whatever suspended it, and end the waits that its upstream asked for."""
        return UpstreamStateView.of(await self._report.resume(f"{provider}/{credential}"))
