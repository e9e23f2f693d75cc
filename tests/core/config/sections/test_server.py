"""The gateway listens on a valid port, with positive timeouts."""

import pytest
from pydantic import ValidationError

from tidegate.core.config.sections.server import ServerConfig


@pytest.mark.parametrize(
    ("key", "value"),
    [("port", 70000), ("workers", 0), ("grace_seconds", 0), ("ping_seconds", 0), ("max_body_bytes", 1)],
)
def test_a_value_out_of_range_is_refused(key: str, value: object) -> None:
    with pytest.raises(ValidationError, match=key):
        ServerConfig.model_validate({key: value})
