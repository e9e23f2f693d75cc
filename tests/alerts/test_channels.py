"""A webhook's messages are signed so that OpenAI's own SDK verifies them; no answer of a receiver does any harm."""

import base64
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import msgspec
import pytest
from openai import InvalidWebhookSignatureError, OpenAI

from tests.alerts.receivers import Receiver
from tidegate.alerts import channels
from tidegate.alerts.channels import DeliveryFailed, SlackChannel, TurningSecret, WebhookChannel, sign
from tidegate.alerts.message import AlertMessage, trial_message
from tidegate.core.clock import SystemClock

KEY = "whsec_" + base64.b64encode(b"k" * 32).decode()
PLAIN_KEY = "a-secret-that-is-no-base64"


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(2) as pool:
        yield pool


def message(words: str = "a test") -> AlertMessage:
    made = trial_message(message_id="alert_1", now=time.time())
    return msgspec.structs.replace(made, what=words)


def webhook(receiver: Receiver, threads: ThreadPoolExecutor, key: str = KEY) -> WebhookChannel:
    return WebhookChannel(TurningSecret(receiver.url).read, TurningSecret(key).read, SystemClock(), threads)


@pytest.mark.parametrize("key", [KEY, PLAIN_KEY])
async def test_openais_sdk_verifies_a_message(receiver: Receiver, threads: ThreadPoolExecutor, key: str) -> None:
    await webhook(receiver, threads, key).send(message())
    [received] = receiver.accepted
    openai = OpenAI(api_key="none")
    openai.webhooks.verify_signature(received.body, received.headers, secret=key)
    with pytest.raises(InvalidWebhookSignatureError):
        openai.webhooks.verify_signature(received.body + b" ", received.headers, secret=key)
    with pytest.raises(InvalidWebhookSignatureError):
        openai.webhooks.verify_signature(received.body, {**received.headers, "webhook-id": "alert_2"}, secret=key)
    body = msgspec.json.decode(received.body)
    assert (body["type"], body["data"]["id"], body["title"]) == (
        "tidegate.alert.test",
        "alert_1",
        "Tidegate: test message: a test",
    )


def test_a_secret_that_is_cut_off_is_named() -> None:
    with pytest.raises(DeliveryFailed, match="webhook_secret"):
        sign("whsec_abc", "id", "1", b"")


async def test_slack_gets_text_that_cannot_call_everyone(receiver: Receiver, threads: ThreadPoolExecutor) -> None:
    await SlackChannel(TurningSecret(receiver.url).read, threads).send(message("<!channel> & <@U1>" + "x" * 9_000))
    text = msgspec.json.decode(receiver.accepted[0].body)["text"]
    assert "&lt;!channel&gt; &amp; &lt;@U1&gt;" in text
    assert len(text) < 3_100


@pytest.mark.parametrize("status", [301, 307, 400, 404, 410, 429, 500, 503])
async def test_what_is_no_success_is_said_and_a_redirect_is_not_followed(
    receiver: Receiver, threads: ThreadPoolExecutor, status: int
) -> None:
    receiver.status = lambda _: status
    with pytest.raises(DeliveryFailed, match=str(status)):
        await webhook(receiver, threads).send(message())
    assert [each.path for each in receiver.requests] == ["/hooks/secret-path"]


async def test_an_answer_without_end_is_not_read(receiver: Receiver, threads: ThreadPoolExecutor) -> None:
    receiver.behaviour = "endless"
    await webhook(receiver, threads).send(message())
    assert len(receiver.accepted) == 1


@pytest.mark.parametrize("behaviour", ["silent", "hang_up"])
async def test_a_receiver_that_does_not_answer_is_left_in_time(
    receiver: Receiver, threads: ThreadPoolExecutor, behaviour: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(channels, "DEADLINE_SECONDS", 0.3)
    receiver.behaviour = behaviour
    with pytest.raises(DeliveryFailed) as failed:
        await webhook(receiver, threads).send(message())
    assert "secret-path" not in str(failed.value)


async def test_a_receiver_that_is_away_is_named_without_its_path(threads: ThreadPoolExecutor) -> None:
    away = SlackChannel(TurningSecret("http://127.0.0.1:9/services/T1/secret").read, threads)
    with pytest.raises(DeliveryFailed, match=r"^127\.0\.0\.1:9 did not answer: Connection refused\.$"):
        await away.send(message())


async def test_a_secret_that_turned_is_used(receiver: Receiver, threads: ThreadPoolExecutor) -> None:
    key = TurningSecret(KEY)
    channel = WebhookChannel(TurningSecret(receiver.url).read, key.read, SystemClock(), threads)
    key.turn(PLAIN_KEY)
    await channel.send(message())
    [received] = receiver.accepted
    OpenAI(api_key="none").webhooks.verify_signature(received.body, received.headers, secret=PLAIN_KEY)
    assert PLAIN_KEY not in repr(key)
