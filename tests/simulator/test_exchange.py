"""Without the extension for resets the connection is closed instead, and bodies must be objects."""

from typing import Any

import pytest

from tests.simulator.client import CHAT
from tidegate.core.errors import ClientDisconnected
from tidegate.simulator.exchange import ResetUnavailable, SimulatedExchange, json_object
from tidegate.simulator.refusal import Refusal


def exchange(*messages: dict[str, Any]) -> SimulatedExchange:
    """Return an exchange whose client sends these messages and accepts any answer."""
    coming = iter(messages)

    async def receive() -> dict[str, Any]:
        return next(coming)

    async def send(_: Any) -> None:
        return

    return SimulatedExchange({"type": "http", "method": "POST", "path": "/", "headers": []}, receive, send)


async def test_a_body_may_come_in_parts() -> None:
    parts: list[dict[str, Any]] = [
        {"type": "http.request", "body": b"ab", "more_body": True},
        {"type": "http.request", "body": b"c"},
    ]
    assert await exchange(*parts).body() == b"abc"


async def test_a_client_may_leave_while_it_speaks() -> None:
    speaking = exchange({"type": "http.request", "body": b"ab", "more_body": True}, {"type": "http.disconnect"})
    with pytest.raises(ClientDisconnected):
        await speaking.body()


async def test_a_client_may_leave_during_a_pause() -> None:
    with pytest.raises(ClientDisconnected):
        await exchange({"type": "http.disconnect"}).pause(60)


async def test_without_the_extension_there_is_no_reset() -> None:
    with pytest.raises(ResetUnavailable):
        await exchange().reset()


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'{"a": "\xff"}'])
def test_a_body_that_is_no_object_is_refused(body: bytes) -> None:
    with pytest.raises(Refusal, match="could not parse the JSON body"):
        json_object(body)


def test_an_object_is_read() -> None:
    assert json_object(b'{"model": "gpt-4o"}')["model"] == CHAT["model"]
