"""Prices are never negative, and a model without a known price is never free."""

import pytest
from pydantic import ValidationError

from tidegate.core.config.section import Section
from tidegate.core.config.sections.metering import MeteringConfig, ModelPrice


@pytest.mark.parametrize(
    ("section", "key", "value"),
    [
        (ModelPrice, "input", -1),
        (ModelPrice, "cached", -1),
        (MeteringConfig, "unseen_tokens_per_second", 0),
        (MeteringConfig, "max_buffered_entries", 0),
    ],
)
def test_a_value_out_of_range_is_refused(section: type[Section], key: str, value: object) -> None:
    with pytest.raises(ValidationError, match=key):
        section.model_validate({key: value})


def test_a_model_without_a_known_price_is_not_free() -> None:
    price = MeteringConfig().unknown_model_price
    assert price.input > 0
    assert price.output > 0
