"""The objects of `tidegate.monitoring.sentry`: the sender of problems, and the channel of alerts."""

import asyncio
from collections.abc import Callable, Mapping

from tidegate.alerts.channels import AlertChannel, DeliveryFailed, TurningSecret
from tidegate.alerts.message import AlertMessage, MessageKind
from tidegate.assembly.base import Base
from tidegate.core.clock import Clock, SystemClock
from tidegate.core.config import ConfigError, Settings
from tidegate.core.config.secret_reference import ReferredSecret, SecretReference
from tidegate.core.logs import listen_to_errors
from tidegate.monitoring.sentry.problem import Problem
from tidegate.monitoring.sentry.sender import ProblemClient, ProblemNotSent, ProblemSender
from tidegate.secrets.feed import Subscriber, Use
from tidegate.secrets.sources.reading import SecretReading

_DEADLINE_SECONDS = 30.0
"""For one message, with the wait for what is sent before it."""


class SentryChannel:
    """Sentry as a channel of alerts. Causes stay out, because they are in the upstream's own words."""

    def __init__(self, sender: ProblemSender) -> None:
        self._sender = sender

    async def send(self, message: AlertMessage) -> None:
        """Send the message. Raises DeliveryFailed."""
        try:
            async with asyncio.timeout(_DEADLINE_SECONDS):
                await self._sender.deliver(problem_of_alert(message))
        except TimeoutError as error:
            raise DeliveryFailed("no answer in time") from error
        except ProblemNotSent as error:
            raise DeliveryFailed(str(error)) from error


class SentryParts:
    """Sentry's parts of one process; without a DSN there are none, and nothing is sent."""

    def __init__(self) -> None:
        """Use `make_sentry`."""
        self.channels: dict[str, AlertChannel] = {}
        self.subscriptions: list[tuple[SecretReference, Subscriber]] = []
        """The place of the DSN, and what takes a new one into use."""


def check_sentry(settings: Settings) -> None:
    """Raise ConfigError if the SDK is not installed, the DSN is none, or alerts need one."""
    dsn = settings.sentry.dsn
    if dsn is not None:
        _client(dsn.get_secret_value, settings.sentry.environment, SystemClock())
    elif settings.alerts.sentry:
        raise ConfigError(
            "alerts.sentry needs a DSN; the gateway did not start. Set sentry.dsn, or alerts.sentry = false."
        )


async def make_sentry(base: Base) -> SentryParts:
    """Return the parts, started. `check_sentry` has passed."""
    parts, config = SentryParts(), base.settings.sentry
    if config.dsn is None:
        return parts
    dsn = TurningSecret(config.dsn.get_secret_value())
    sender = ProblemSender(_client(dsn.read, config.environment, base.clock), base.clock)
    await base.start(sender)
    stop_listening = listen_to_errors(sender.report_error)

    async def close() -> None:
        stop_listening()

    base.on_close(close)
    base.counters.add_listener(sender.report_event)
    _add_gauges(base, sender)
    if base.settings.alerts.sentry:
        parts.channels["sentry"] = SentryChannel(sender)
    if isinstance(config.dsn, ReferredSecret):
        parts.subscriptions.append((config.dsn.reference, _use(dsn)))
    return parts


def problem_of_alert(message: AlertMessage) -> Problem:
    """Return an alert's message as Sentry gets it."""
    is_firing = message.kind is MessageKind.FIRING
    alert = message.alert or message.kind.value
    return Problem(
        fingerprint=("alert", alert),
        title=message.title,
        remedy=" ".join(text for text in (message.meaning, message.whose, message.remedy) if text),
        level="error" if is_firing else "info",
    )


def _client(read_dsn: Callable[[], str], environment: str, clock: Clock) -> ProblemClient:
    try:
        from tidegate.monitoring.sentry.client import SentryClient  # noqa: PLC0415  # the SDK is an extra
    except ImportError as error:
        raise ConfigError(
            "sentry.dsn is set, and sentry-sdk is not installed. Install `tidegate[sentry]`, or remove sentry.dsn."
        ) from error
    try:
        return SentryClient(read_dsn, environment, clock)
    except ValueError as error:
        raise ConfigError(f"{error}. The gateway did not start.") from error


def _add_gauges(base: Base, sender: ProblemSender) -> None:
    figures: Mapping[str, tuple[str, Callable[[], float]]] = {
        "sentry_left_out": (
            "Events beyond ten a minute of one kind, which Sentry did not get.",
            lambda: sender.left_out,
        ),
        "sentry_failed": ("Events that were lost, because Sentry did not take them.", lambda: sender.failed),
    }
    for name, (help_text, read) in figures.items():
        base.counters.add_gauge(name, help_text, read)


def _use(dsn: TurningSecret) -> Subscriber:
    async def offer(reading: SecretReading) -> Use:
        dsn.turn(reading.text)
        return Use.IN_USE

    return offer
