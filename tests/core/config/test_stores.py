"""PostgreSQL is not overrun with connections, and nothing is waited for without an end."""

import pytest
from pydantic import ValidationError

from tidegate.core.config.section import Section
from tidegate.core.config.stores import CacheConfig, DatabaseConfig, RedisConfig


@pytest.mark.parametrize(
    ("section", "key", "value"),
    [
        (DatabaseConfig, "pool_size", 21),
        (DatabaseConfig, "timeout_seconds", 0),
        (RedisConfig, "timeout_seconds", 0),
        (CacheConfig, "ttl_seconds", 0),
        (CacheConfig, "lease_seconds", 0.1),
    ],
)
def test_a_figure_that_makes_no_sense_is_refused(section: type[Section], key: str, value: object) -> None:
    with pytest.raises(ValidationError, match=key):
        section.model_validate({key: value})
