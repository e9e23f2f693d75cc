"""The timeout for Redis is positive."""

import pytest
from pydantic import ValidationError

from tidegate.core.config.sections.redis import RedisConfig


@pytest.mark.parametrize(("key", "value"), [("timeout_seconds", 0)])
def test_a_value_out_of_range_is_refused(key: str, value: object) -> None:
    with pytest.raises(ValidationError, match=key):
        RedisConfig.model_validate({key: value})
