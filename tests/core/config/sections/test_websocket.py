"""A WebSocket's limits are positive."""

import pytest
from pydantic import ValidationError

from tidegate.core.config.sections.websocket import WebsocketConfig


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("max_connections", 0),
        ("max_connections_per_key", 0),
        ("max_age_seconds", 0),
        ("max_active_responses", 0),
        ("max_unstored_bytes", 1),
    ],
)
def test_a_value_out_of_range_is_refused(key: str, value: object) -> None:
    with pytest.raises(ValidationError, match=key):
        WebsocketConfig.model_validate({key: value})
