"""The simulator's costs report is its own bill in OpenAI's form, for an admin key and the day of its clock."""

import pytest

from tidegate.simulator.billing.costs import costs_page
from tidegate.simulator.refusal import Refusal

DAY = 1_764_374_400
BILL = {"aaaa": 60_000_000, "bbbb": 1_500_000_000}


def amounts(**query: str) -> dict[str, float]:
    """Return the amounts of the report by key."""
    (bucket,) = costs_page(BILL, query, now=DAY + 4000.0)["data"]
    return {result["api_key_id"]: result["amount"]["value"] for result in bucket["results"]}


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({"start_time": str(DAY)}, {"key_aaaa": 0.06, "key_bbbb": 1.5}),
        ({"start_time": str(DAY), "api_key_ids": "key_aaaa"}, {"key_aaaa": 0.06}),
        ({"start_time": str(DAY - 86_400), "end_time": str(DAY)}, {}),
        ({"start_time": str(DAY + 86_400)}, {}),
    ],
)
def test_the_day_of_the_clock_has_the_bill(query: dict[str, str], found: dict[str, float]) -> None:
    assert amounts(**query) == found


def test_a_report_without_start_is_refused() -> None:
    with pytest.raises(Refusal, match="start_time"):
        costs_page(BILL, {}, now=DAY)
