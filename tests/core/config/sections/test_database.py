"""PostgreSQL gets at most 20 connections a process, and the timeout is positive."""

import pytest
from pydantic import ValidationError

from tidegate.core.config.sections.database import DatabaseConfig


@pytest.mark.parametrize(("key", "value"), [("pool_size", 21), ("pool_size", 0), ("timeout_seconds", 0)])
def test_a_value_out_of_range_is_refused(key: str, value: object) -> None:
    with pytest.raises(ValidationError, match=key):
        DatabaseConfig.model_validate({key: value})
