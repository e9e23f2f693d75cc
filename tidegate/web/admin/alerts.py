"""`/admin/v1/alerts`: the alerts and their messages. Registered by routes.py; the command is `tidegate alerts`."""

from datetime import UTC, datetime
from typing import Annotated, Literal, Self

from pydantic import Field

from tidegate.alerts.outbox import Delivery
from tidegate.alerts.report import MAX_MUTE_SECONDS, AlertListing, AlertReport
from tidegate.alerts.transition import AlertState
from tidegate.web.admin.schemas import Schema


def _utc(seconds: float | None) -> datetime | None:
    return datetime.fromtimestamp(seconds, UTC) if seconds else None


class AlertView(Schema):
    """One alert."""

    alert: Literal["slow", "errors", "cost"]
    is_enabled: bool
    is_firing: bool
    since: datetime | None = Field(description="Since when it fires, or does not; null if it never fired.")
    what: str | None = Field(description="The figures at its last change.")
    fault: Literal["gateway", "upstream", "account", "budget"] | None = Field(
        description="On whose side the cause is; null while it does not fire."
    )
    causes: list[str]

    @classmethod
    def of(cls, state: AlertState, *, is_enabled: bool) -> Self:
        """Return the alert."""
        judgement = state.judgement
        return cls.model_validate(
            {
                "alert": state.alert.value,
                "is_enabled": is_enabled,
                "is_firing": state.is_firing,
                "since": _utc(state.since),
                "what": judgement.measure if judgement else None,
                "fault": judgement.fault.value if judgement and state.is_firing else None,
                "causes": list(judgement.causes) if judgement and state.is_firing else [],
            }
        )


class AlertDeliveryView(Schema):
    """A message to one channel."""

    id: str
    channel: str
    title: str
    made_at: datetime | None
    attempts: int
    delivered_at: datetime | None = Field(description="null until the channel accepted it.")
    last_error: str | None

    @classmethod
    def of(cls, delivery: Delivery) -> Self:
        """Return the message."""
        return cls(
            id=delivery.message.id,
            channel=delivery.channel,
            title=delivery.message.title,
            made_at=_utc(delivery.made_at),
            attempts=delivery.attempts,
            delivered_at=_utc(delivery.delivered_at),
            last_error=delivery.last_error,
        )


class AlertsView(Schema):
    """All alerts, and the newest messages."""

    object: Literal["alerts"] = "alerts"
    alerts: list[AlertView]
    muted_until: datetime | None
    channels: list[str]
    deliveries: list[AlertDeliveryView]

    @classmethod
    def of(cls, listing: AlertListing) -> Self:
        """Return the listing."""
        return cls(
            alerts=[AlertView.of(state, is_enabled=state.alert in listing.enabled) for state in listing.states],
            muted_until=_utc(listing.muted_until),
            channels=list(listing.channels),
            deliveries=[AlertDeliveryView.of(each) for each in listing.deliveries],
        )


class MuteRequest(Schema):
    """For how long no message is sent."""

    seconds: Annotated[float, Field(gt=0, le=MAX_MUTE_SECONDS)]


class MutedView(Schema):
    """Until when no message is sent."""

    muted_until: datetime | None


class AlertTestView(Schema):
    """A test message that was queued; `GET /admin/v1/alerts` lists whether it was delivered."""

    id: str
    channels: list[str]


class AlertHandlers:
    """Shows, mutes and tests the alerts."""

    def __init__(self, report: AlertReport) -> None:
        self._report = report

    async def get(self) -> AlertsView:
        """Show the alerts, and what became of the newest messages."""
        return AlertsView.of(await self._report.read())

    async def mute(self, request: MuteRequest) -> MutedView:
        """Send no message for some time. Alerts that still fire afterwards are sent then."""
        return MutedView(muted_until=_utc(await self._report.mute(request.seconds)))

    async def unmute(self) -> MutedView:
        """Send messages again."""
        await self._report.unmute()
        return MutedView(muted_until=None)

    async def test(self) -> AlertTestView:
        """Queue a test message to each channel."""
        return AlertTestView(id=await self._report.send_test(), channels=list(self._report.channels))
