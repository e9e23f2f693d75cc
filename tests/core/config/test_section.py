"""A section accepts known keys only, is immutable, and shows no value in an error."""

import pytest
from pydantic import ValidationError

from tidegate.core.config.section import Section


class Tides(Section):
    """A section."""

    height: int = 1


def test_what_is_unknown_is_refused_without_its_value() -> None:
    with pytest.raises(ValidationError) as refused:
        Tides.model_validate({"hieght": "sk-secret"})
    assert "hieght" in str(refused.value)
    assert "sk-secret" not in str(refused.value)


def test_what_was_read_stays_as_it_is() -> None:
    tides = Tides(height=2)
    with pytest.raises(ValidationError, match="frozen"):
        tides.height = 3  # type: ignore[misc]  # that is what is shown here
