"""The price list that ships with the package names each model once and loads quickly."""

import pytest

from tidegate.metering import price_list

LIST = price_list.load()


@pytest.mark.parametrize(
    ("name", "usd_per_million"),
    [
        ("gpt-4o", 2.5),
        ("gpt-4o-2024-05-13", 5),
        ("gpt-4o-mini", 0.15),
        ("gpt-5.6-sol-2026-09-01", 5),
        ("ft:gpt-4o-mini-2024-07-18:acme::abc", 0.3),
        ("omni-moderation-latest", 0),
    ],
)
def test_a_model_is_found_by_any_of_its_names(name: str, usd_per_million: float) -> None:
    model = LIST.find(name)

    assert model is not None
    assert model.periods[0].rates[0].input == usd_per_million * 10**9


@pytest.mark.parametrize("name", ["", "gpt", "gpt-4o-mini-x", "claude-2", "tts-1"])
def test_what_the_list_does_not_price_by_token_is_not_found(name: str) -> None:
    assert LIST.find(name) is None


def test_only_moderations_are_free() -> None:
    free = [model for model in LIST.models if any(not period.rates[0].input for period in model.periods)]

    assert [model.contains for model in free] == [("moderation",)]


def test_the_list_says_where_it_comes_from() -> None:
    assert LIST.source.startswith("genai-prices ")
