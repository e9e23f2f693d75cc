"""Where messages go: a signed webhook, Slack, and whatever else implements `AlertChannel`."""

import asyncio
import base64
import binascii
import hashlib
import hmac
from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from typing import Protocol

import msgspec

from tidegate.alerts.message import AlertMessage, MessageKind
from tidegate.core.clock import Clock
from tidegate.core.process.outbound_http import ExchangeFailed, ServiceAnswer, exchange

DEADLINE_SECONDS = 10.0
"""For one attempt, from the look-up of the name to the answer's head."""
_SECRET_MARK = "whsec_"  # noqa: S105  # begins a secret, and is none
_MARKS = {
    MessageKind.FIRING: ":rotating_light:",
    MessageKind.RESOLVED: ":white_check_mark:",
    MessageKind.TEST: ":bell:",
}
_MAX_SLACK_CHARACTERS = 3_000

ReadSecret = Callable[[], str]
"""Returns a secret as it is now; it may turn."""


class TurningSecret:
    """A secret that may turn while the process runs."""

    def __init__(self, text: str) -> None:
        self._text = text

    def __repr__(self) -> str:
        return "TurningSecret()"

    def read(self) -> str:
        """Return the secret as it is now."""
        return self._text

    def turn(self, text: str) -> None:
        """Use another secret from now on."""
        self._text = text


class DeliveryFailed(Exception):
    """A channel did not accept a message; the text says why, without the channel's address."""


class AlertChannel(Protocol):
    """Somewhere that messages go."""

    async def send(self, message: AlertMessage) -> None:
        """Send a message, which may come again with the same id. Raises DeliveryFailed."""
        ...


class WebhookChannel:
    """A webhook, signed as the Standard Webhooks specification says, so OpenAI's SDKs verify it, too.

    The signature in `webhook-signature` covers `webhook-id`, `webhook-timestamp` and the body.
    """

    def __init__(self, url: ReadSecret, secret: ReadSecret, clock: Clock, threads: Executor) -> None:
        self._url = url
        self._secret = secret
        self._clock = clock
        self._threads = threads

    async def send(self, message: AlertMessage) -> None:
        """Send the message as JSON. Raises DeliveryFailed."""
        body = msgspec.json.encode(_Posted.of(message))
        timestamp = str(int(self._clock.now()))
        headers = {
            "webhook-id": message.id,
            "webhook-timestamp": timestamp,
            "webhook-signature": sign(self._secret(), message.id, timestamp, body),
        }
        await _post(self._threads, self._url(), headers, body)


class SlackChannel:
    """An incoming webhook of Slack."""

    def __init__(self, url: ReadSecret, threads: Executor) -> None:
        self._url = url
        self._threads = threads

    async def send(self, message: AlertMessage) -> None:
        """Send the message as text. Raises DeliveryFailed."""
        text = message.text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")[:_MAX_SLACK_CHARACTERS]
        body = msgspec.json.encode({"text": f"{_MARKS[message.kind]} {text}"})
        await _post(self._threads, self._url(), {}, body)


class _Posted(msgspec.Struct, frozen=True, kw_only=True):
    """The body of a webhook, in the shape of the Standard Webhooks specification."""

    type: str
    timestamp: str
    data: AlertMessage
    title: str
    text: str

    @classmethod
    def of(cls, message: AlertMessage) -> "_Posted":
        kind = f"tidegate.alert.{message.kind}"
        return cls(type=kind, timestamp=message.at, data=message, title=message.title, text=message.text)


def sign(secret: str, message_id: str, timestamp: str, body: bytes) -> str:
    """Return the signature `v1,…` of a message. A secret that begins with `whsec_` is base64 after that."""
    key = secret.encode()
    if secret.startswith(_SECRET_MARK):
        try:
            key = base64.b64decode(secret.removeprefix(_SECRET_MARK), validate=True)
        except binascii.Error as error:
            raise DeliveryFailed("alerts.webhook_secret begins with whsec_ and is not base64 after it") from error
    signed = b".".join((message_id.encode(), timestamp.encode(), body))
    return f"v1,{base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()}"


async def _post(threads: Executor, url: str, headers: Mapping[str, str], body: bytes) -> None:
    def send() -> ServiceAnswer:
        everything = {"content-type": "application/json", "user-agent": "Tidegate", **headers}
        return exchange("POST", url, everything, body, deadline_seconds=DEADLINE_SECONDS, max_bytes=0)

    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(2 * DEADLINE_SECONDS):  # a look-up of a name has no deadline of its own
            answer = await loop.run_in_executor(threads, send)
    except TimeoutError as error:
        raise DeliveryFailed("no answer in time") from error
    except ExchangeFailed as error:
        raise DeliveryFailed(str(error)) from error
    if not answer.is_success:
        raise DeliveryFailed(f"it answered with the status {answer.status}")
