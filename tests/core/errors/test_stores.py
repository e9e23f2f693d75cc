"""An unavailable store is an error of the gateway that may be retried, never the caller's."""

import pytest

from tidegate.core.errors import CallerError, PostgresUnavailable, RedisUnavailable, StoreError, UpstreamError


@pytest.mark.parametrize(
    ("kind", "variable"), [(RedisUnavailable, "TIDEGATE_REDIS_URL"), (PostgresUnavailable, "TIDEGATE_DATABASE_URL")]
)
def test_each_store_has_its_error_which_says_where_to_look(kind: type[StoreError], variable: str) -> None:
    assert issubclass(kind, StoreError)
    assert not issubclass(kind, CallerError | UpstreamError)
    assert (kind.type, kind.retryable) == ("server_error", True)
    assert variable in kind().message
