"""The dashboard's refusals have a status that its page can act on."""

import pytest

from tidegate.core import errors
from tidegate.core.errors import TidegateError
from tidegate.web.envelope import status_of


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (errors.ReadOnlyKey(), 403),
        (errors.SessionEnded(), 401),
        (errors.ForgedRequest(), 403),
        (errors.TooManyLogins(), 429),
        (errors.TooManyPages(), 429),
    ],
)
def test_a_refusal_has_its_status(error: TidegateError, status: int) -> None:
    assert status_of(error) == status
