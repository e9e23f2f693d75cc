"""Stored answers are fresh for at least a second."""

import pytest
from pydantic import ValidationError

from tidegate.core.config.sections.cache import CacheConfig


@pytest.mark.parametrize(("key", "value"), [("ttl_seconds", 0), ("lease_seconds", 0.1), ("stale_for_seconds", -1)])
def test_a_value_out_of_range_is_refused(key: str, value: object) -> None:
    with pytest.raises(ValidationError, match=key):
        CacheConfig.model_validate({key: value})
