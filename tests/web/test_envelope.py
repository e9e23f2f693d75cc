"""Every error becomes OpenAI's envelope, with a status, a name and a word on whether to try again."""

import json

import pytest

from tidegate.core import errors
from tidegate.core.errors import TidegateError, UpstreamErrorDetail
from tidegate.web import envelope


def _kinds(kind: type[TidegateError]) -> list[type[TidegateError]]:
    return [kind, *(found for below in kind.__subclasses__() for found in _kinds(below))]


@pytest.mark.parametrize("kind", _kinds(TidegateError))
def test_every_typed_error_has_an_envelope(kind: type[TidegateError]) -> None:
    error = kind("It failed with sk-abcdef0123456789abcdef.")
    inside = json.loads(envelope.body_of(error))["error"]
    assert set(inside) == {"message", "type", "param", "code"}
    assert "sk-abcdef" not in inside["message"]
    assert 400 <= envelope.status_of(error) < 600
    headers = dict(envelope.headers_of(error))
    assert headers[b"x-should-retry"] == (b"true" if kind.retryable else b"false")
    assert headers[b"x-tidegate-error"] == kind.name.encode()


@pytest.mark.parametrize(
    ("said", "status"), [(400, 400), (418, 418), (429, 429), (500, 500), (503, 503), (522, 502), (529, 502), (200, 502)]
)
def test_the_upstreams_own_status_is_kept_where_callers_know_it(said: int, status: int) -> None:
    error = errors.ErrorInStream(upstream_detail=UpstreamErrorDetail(status=said))
    assert envelope.status_of(error) == status


@pytest.mark.parametrize("code", ["their_code", None])
def test_the_upstreams_own_words_win(code: str | None) -> None:
    words = UpstreamErrorDetail(status=400, type="their_type", code=code, message="theirs")
    inside = envelope.error_object(errors.UpstreamRejected("theirs", param="messages", upstream_detail=words))
    assert inside == {"message": "theirs", "type": "their_type", "param": "messages", "code": code}


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (errors.UpstreamRateLimited(retry_after=0.644), {b"retry-after": b"1", b"retry-after-ms": b"644"}),
        (errors.UpstreamRateLimited(retry_after=7.2), {b"retry-after": b"8", b"retry-after-ms": b"7200"}),
        (errors.UpstreamRateLimited(), {}),
        (errors.InsufficientQuota(retry_after=5), {}),
    ],
)
def test_a_wait_is_said_only_where_it_helps(error: TidegateError, said: dict[bytes, bytes]) -> None:
    headers = dict(envelope.headers_of(error))
    assert {name: value for name, value in headers.items() if name.startswith(b"retry-after")} == said


def test_in_a_stream_of_responses_an_error_is_nested_and_flat() -> None:
    event = envelope.event_of(errors.UpstreamOverloaded("Busy."), responses=True, sequence_number=3)
    name, data = event.decode().splitlines()[:2]
    document = json.loads(data.removeprefix("data: "))
    assert name == "event: error"
    assert (document["type"], document["code"], document["sequence_number"]) == ("error", "server_is_overloaded", 3)
    assert document["error"]["message"] == document["message"] == "Busy."


def test_in_a_chat_stream_an_error_is_an_envelope() -> None:
    event = envelope.event_of(errors.UpstreamOverloaded("Busy."), responses=False)
    assert json.loads(event.decode().removeprefix("data: "))["error"]["message"] == "Busy."
