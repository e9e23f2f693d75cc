"""However a process ends, each call is answered or gets an error that allows a retry, and the ledger has its cost.

The published page lists these cases with their results.
"""

import pytest

from tests.faults.fresh import fresh_world
from tests.faults.processes.cases import ProcessCase, process_cases
from tests.faults.processes.page import PROCESS_PAGE, process_page
from tests.faults.processes.rules import expected_of_process
from tests.faults.processes.runner import ProcessVerdict, play

CASES = process_cases()

pytestmark = [pytest.mark.long, pytest.mark.timeout(1800)]  # the whole table is played in one fixture


@pytest.fixture(scope="module")
async def verdicts(
    database_url: str, redis_url: str, redis_prefix: str, pytestconfig: pytest.Config
) -> dict[str, ProcessVerdict]:
    """Return the observed verdict of each case, by its id; `make faults` writes them to the page."""
    async with fresh_world(database_url, redis_url, redis_prefix, "processes") as world:
        played = await play(world, CASES)
    if pytestconfig.getoption("--write-fault-matrix"):
        PROCESS_PAGE.write_text(process_page(CASES, played))
    return played


@pytest.mark.parametrize("case", CASES, ids=[case.id for case in CASES])
def test_the_call_ends_as_the_rules_say(case: ProcessCase, verdicts: dict[str, ProcessVerdict]) -> None:
    assert verdicts[case.id] == expected_of_process(case)


def test_no_two_cases_are_the_same() -> None:
    assert len({case.id for case in CASES}) == len(CASES) >= 400


def test_the_published_page_is_up_to_date(verdicts: dict[str, ProcessVerdict]) -> None:
    published = PROCESS_PAGE.read_text().splitlines()
    assert published == process_page(CASES, verdicts).splitlines(), (
        "run `make faults` and commit docs/generated/process-matrix.md"
    )
