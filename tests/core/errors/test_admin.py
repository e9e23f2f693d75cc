"""What an operator is refused says where to look."""

import pytest

from tidegate.core.errors import AdminKeyOnly, CallerError, NoSuchKey, NoSuchProject, NotAdmin


@pytest.mark.parametrize("kind", [NotAdmin, AdminKeyOnly, NoSuchKey, NoSuchProject])
def test_a_refusal_is_the_callers_own_and_has_a_remedy(kind: type[CallerError]) -> None:
    error = kind()
    assert not error.retryable
    assert "key" in error.message
    assert "`" in error.message
