"""For any fault at any moment, the caller gets its typed error, the ledger has one entry, and the cost is right.

The published page lists these cases with their results.
"""

import pytest

from tests.faults.cases import Case, cases
from tests.faults.page import PAGE, page
from tests.faults.rules import Verdict, expected

CASES = cases()

pytestmark = [pytest.mark.long, pytest.mark.timeout(1800)]  # the whole table is played in one fixture


@pytest.mark.parametrize("case", CASES, ids=[case.id for case in CASES])
def test_the_case_ends_as_the_rules_say(case: Case, seen: dict[str, Verdict]) -> None:
    assert seen[case.id] == expected(case)


def test_there_are_at_least_500_cases_and_no_two_are_the_same() -> None:
    assert len({case.id for case in CASES}) == len(CASES) >= 500


def test_the_published_page_is_up_to_date(seen: dict[str, Verdict]) -> None:
    published = PAGE.read_text().splitlines()
    assert published == page(CASES, seen).splitlines(), "run `make faults` and commit docs/generated/fault-matrix.md"
