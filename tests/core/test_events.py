"""The events of the gateway's own parts have documented names, and can be ignored."""

from pathlib import Path

import pytest

from tidegate.core.events import Event, EventName, ignore_event

GUIDE = Path(__file__).parents[2] / "docs/guides/metrics.md"


@pytest.mark.parametrize("what", list(EventName))
def test_each_is_in_the_guide(what: EventName) -> None:
    assert f"`{what.value}`" in GUIDE.read_text()


def test_nobody_may_be_told() -> None:
    ignore_event(Event(EventName.REDIS_LOST))
