"""The published page lists the cases that are played, with the outcomes that they have."""

from tests.faults.cases import Case
from tests.faults.page import PAGE, page
from tests.faults.rules import Verdict


def test_the_published_page_is_up_to_date(all_cases: list[Case], seen: dict[str, Verdict]) -> None:
    published = PAGE.read_text().splitlines()
    assert published == page(all_cases, seen).splitlines(), "run `make faults` and commit docs/fault-matrix.md"
