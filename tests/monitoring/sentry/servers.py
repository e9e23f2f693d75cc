"""A plain HTTP server that stands in for Sentry, and what it received."""

import contextlib
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import msgspec

from tests.alerts.receivers import Receiver, running_receiver


class FakeSentry:
    """The server of one project."""

    def __init__(self, receiver: Receiver) -> None:
        self.receiver = receiver
        self.dsn = f"http://publickey@127.0.0.1:{urlsplit(receiver.url).port}/42"

    @property
    def events(self) -> list[dict[str, Any]]:
        """The events that were accepted, in order: an envelope is a line of its own, one of the item, and the event."""
        return [msgspec.json.decode(each.body.splitlines()[2]) for each in self.receiver.accepted]

    @property
    def everything(self) -> bytes:
        """All that ever arrived, accepted or not."""
        return b"\n".join(
            b"\n".join([each.path.encode(), repr(each.headers).encode(), each.body]) for each in self.receiver.requests
        )


@contextlib.contextmanager
def fake_sentry() -> Iterator[FakeSentry]:
    """Run the server for the time of the block."""
    with running_receiver() as receiver:
        yield FakeSentry(receiver)
