"""Whatever a caller chooses as names, texts and bodies, the next call of another caller is answered and costs the same.

The published page lists these cases with their results.
"""

import pytest

from tests.faults.callers.cases import CallerCase, caller_cases
from tests.faults.callers.page import CALLER_PAGE, caller_page
from tests.faults.callers.rules import expected_of_caller
from tests.faults.callers.runner import CallerVerdict, play
from tests.faults.fresh import fresh_world

CASES = caller_cases()

pytestmark = [pytest.mark.long, pytest.mark.timeout(1800)]  # the whole table is played in one fixture


@pytest.fixture(scope="module")
async def verdicts(
    database_url: str, redis_url: str, redis_prefix: str, pytestconfig: pytest.Config
) -> dict[str, CallerVerdict]:
    """Return the observed verdict of each case, by its id; `make faults` writes them to the page."""
    async with fresh_world(database_url, redis_url, redis_prefix, "callers") as world:
        played = await play(world, CASES)
    if pytestconfig.getoption("--write-fault-matrix"):
        CALLER_PAGE.write_text(caller_page(CASES, played))
    return played


@pytest.mark.parametrize("case", CASES, ids=[case.id for case in CASES])
def test_the_other_caller_notices_nothing(case: CallerCase, verdicts: dict[str, CallerVerdict]) -> None:
    assert verdicts[case.id] == expected_of_caller(case)


def test_there_are_at_least_1000_cases_and_no_two_are_the_same() -> None:
    assert len({case.id for case in CASES}) == len(CASES) >= 1000


def test_the_published_page_is_up_to_date(verdicts: dict[str, CallerVerdict]) -> None:
    published = CALLER_PAGE.read_text().splitlines()
    assert published == caller_page(CASES, verdicts).splitlines(), (
        "run `make faults` and commit docs/generated/caller-matrix.md"
    )
