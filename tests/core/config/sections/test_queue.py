"""The queue's limits and deadline are positive."""

import pytest
from pydantic import ValidationError

from tidegate.core.config.sections.queue import QueueConfig


@pytest.mark.parametrize(("key", "value"), [("max_waiting", -1), ("deadline_seconds", 0), ("max_in_flight", 0)])
def test_a_value_out_of_range_is_refused(key: str, value: object) -> None:
    with pytest.raises(ValidationError, match=key):
        QueueConfig.model_validate({key: value})
