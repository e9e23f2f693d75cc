"""Calls wait, and run at once, in numbers and times that make sense."""

import pytest
from pydantic import ValidationError

from tidegate.core.config.calls import BackgroundConfig, QueueConfig
from tidegate.core.config.section import Section


@pytest.mark.parametrize(
    ("section", "key", "value"),
    [
        (QueueConfig, "max_waiting", -1),
        (QueueConfig, "deadline_seconds", 0),
        (QueueConfig, "in_flight", 0),
        (BackgroundConfig, "concurrency", 1),
        (BackgroundConfig, "max_open", 0),
        (BackgroundConfig, "lease_seconds", 0.1),
    ],
)
def test_a_figure_that_makes_no_sense_is_refused(section: type[Section], key: str, value: object) -> None:
    with pytest.raises(ValidationError, match=key):
        section.model_validate({key: value})
