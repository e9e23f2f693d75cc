"""Each kind of tokens has a price, and a kind without its own gets no discount that the list does not state."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.core.values import Usage
from tidegate.metering.price_list import PricePeriod, Rates
from tidegate.metering.rates import in_force, kind_period, max_token_cost, token_cost

MILLION = 10**6


def rates(**own: int) -> Rates:
    return Rates(**{name: price * MILLION for name, price in own.items()})


@pytest.mark.parametrize(
    ("own", "usage", "nanos"),
    [
        (rates(input=4), Usage(input=1, cached=1), 4),
        (rates(input=4, cached=1), Usage(input=1, cached=1), 1),
        (rates(input=4), Usage(input=1, cache_write=1), 4),
        (rates(input=4, cache_write=5), Usage(input=1, cache_write=1), 5),
        (rates(input=4, cache_write=5), Usage(input=2, cache_write=2, cache_write_1h=1), 10),
        (rates(input=4, cache_write=5, cache_write_1h=8), Usage(input=3, cache_write=2, cache_write_1h=1), 17),
        (rates(input=4, cache_write=5, cache_write_1h=8), Usage(input=3, cache_write=2, cache_write_1h=9), 20),
        (
            rates(input=4, cache_write=5, cache_write_1h=8),
            Usage(input=3, input_image=1, cache_write=2, cache_write_1h=1),
            17,
        ),
        (rates(input=4, cached=1), Usage(input=1, cached=1, input_image=1, cached_image=1), 1),
        (rates(input=4, cached=1, input_image=6), Usage(input=1, cached=1, input_image=1, cached_image=1), 6),
        (rates(input=4, cached=1, input_audio=9), Usage(input=1, cached=1, input_audio=1, cached_audio=1), 9),
        (rates(input=4, cached=1, input_audio=9, cached_audio=2), Usage(input=2, cached=1, input_audio=1), 10),
        (rates(output=4), Usage(output=2, output_audio=1, output_image=1), 8),
        (rates(output=4, output_audio=5, output_image=6), Usage(output=3, output_audio=1, output_image=1), 15),
        (rates(input=4, cached=1, cache_write=5), Usage(input=2, cached=2, cache_write=2), 2),
        (rates(input=4, input_audio=9), Usage(input=2, input_audio=7, input_image=7), 18),
    ],
)
def test_a_kind_costs_its_own_price_or_that_of_text(own: Rates, usage: Usage, nanos: int) -> None:
    steps = kind_period(PricePeriod(rates=(own,))).steps

    assert token_cost(steps[0], usage) == nanos


def test_a_later_period_and_a_higher_step_count_from_where_they_begin() -> None:
    first = PricePeriod(rates=(rates(input=1), Rates(above=10, input=2 * MILLION)))
    later = PricePeriod(since=100.0, rates=(rates(input=3),))
    periods = (kind_period(first), kind_period(later))

    found = [in_force(periods, at, size).text // MILLION for at, size in [(99.0, 10), (99.0, 11), (100.0, 11)]]

    assert found == [1, 2, 3]


PRICE = st.none() | st.integers(0, 100 * MILLION)
TOKENS = st.integers(0, 1000)


@given(
    own=st.fixed_dictionaries(
        {name: PRICE for name in Rates.__struct_fields__ if name not in ("above", "input", "output")}
    ),
    usage=st.fixed_dictionaries({name: TOKENS for name in Usage.__struct_fields__ if name != "estimated"}),
)
def test_no_call_costs_more_than_is_held_for_it(own: dict[str, Any], usage: dict[str, Any]) -> None:
    [step] = kind_period(PricePeriod(rates=(Rates(input=MILLION, output=2 * MILLION, **own),))).steps

    assert 0 <= token_cost(step, Usage(**usage)) <= max_token_cost(step, Usage(**usage))
