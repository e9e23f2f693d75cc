"""The errors of the admin API say what to do."""

import pytest

from tidegate.core.errors import AdminKeyNotAllowed, AdminKeyRequired, ApiKeyNotFound, CallerError, ProjectNotFound


@pytest.mark.parametrize("kind", [AdminKeyRequired, AdminKeyNotAllowed, ApiKeyNotFound, ProjectNotFound])
def test_a_refusal_is_the_callers_own_and_has_a_remedy(kind: type[CallerError]) -> None:
    error = kind()
    assert not error.retryable
    assert "key" in error.message
    assert "`" in error.message
