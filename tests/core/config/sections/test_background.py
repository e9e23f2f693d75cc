"""Background jobs have at least two slots, and leases that survive a heartbeat."""

import pytest
from pydantic import ValidationError

from tidegate.core.config.sections.background import BackgroundConfig


@pytest.mark.parametrize(("key", "value"), [("concurrency", 1), ("max_open", 0), ("lease_seconds", 0.1)])
def test_a_value_out_of_range_is_refused(key: str, value: object) -> None:
    with pytest.raises(ValidationError, match=key):
        BackgroundConfig.model_validate({key: value})
