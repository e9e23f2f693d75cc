"""Prices are never negative, and no price is made up for a model without one."""

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
        (MeteringConfig, "assumed_tool_calls", 0),
        (MeteringConfig, "tool_prices", {"web_search": -1}),
        (ModelPrice, "cache_write", -1),
        (ModelPrice, "tool_prices", {"web_search": -1}),
    ],
)
def test_a_value_out_of_range_is_refused(section: type[Section], key: str, value: object) -> None:
    with pytest.raises(ValidationError, match=key):
        section.model_validate({key: value})


def test_a_model_without_a_known_price_has_none_that_is_made_up() -> None:
    assert MeteringConfig().unknown_model_price is None
