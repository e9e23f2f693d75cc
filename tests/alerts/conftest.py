"""The receiver of messages."""

from collections.abc import Iterator

import pytest

from tests.alerts.receivers import Receiver, running_receiver


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """A webhook that accepts everything at first."""
    with running_receiver() as running:
        yield running
