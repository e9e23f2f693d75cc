"""A login lasts twelve hours at most, whatever is configured."""

import pytest
from pydantic import ValidationError

from tidegate.core.config import DashboardConfig


@pytest.mark.parametrize("settings", [{"session_hours": 12.1}, {"session_hours": 0}, {"max_pages": 0}])
def test_a_bound_is_kept(settings: dict[str, float]) -> None:
    with pytest.raises(ValidationError):
        DashboardConfig.model_validate(settings)


def test_the_page_is_served_by_default() -> None:
    assert (DashboardConfig().enabled, DashboardConfig().session_hours, DashboardConfig().max_pages) == (True, 12.0, 50)
