"""All cases are played together; each test then checks its own.

A busy machine may make a few of them too late for the clocks that they are about. Those are played once more, by
themselves, and the second verdict counts.
"""

import pytest

from tests.faults.cases import cases
from tests.faults.fresh import fresh_world
from tests.faults.page import PAGE, page
from tests.faults.rules import Verdict, expected
from tests.faults.runner import Matrix

MOST_AGAIN = 40
"""More than so many are no accident of the machine, and stay as they were."""


@pytest.fixture(scope="module")
async def seen(database_url: str, redis_url: str, redis_prefix: str, pytestconfig: pytest.Config) -> dict[str, Verdict]:
    """Return the observed verdict of each case, by its id; `make faults` writes them to the page."""
    all_cases = cases()
    async with fresh_world(database_url, redis_url, redis_prefix, "faults") as world:
        verdicts = await Matrix(world, all_cases).play()
    wrong = [case for case in all_cases if verdicts[case.id] != expected(case)]
    if 0 < len(wrong) <= MOST_AGAIN:
        async with fresh_world(database_url, redis_url, redis_prefix, "faults-again") as world:
            verdicts |= await Matrix(world, wrong).play()
    if pytestconfig.getoption("--write-fault-matrix"):
        PAGE.write_text(page(all_cases, verdicts))
    return verdicts
