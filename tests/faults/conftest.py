"""All cases are played once, together; each test then checks its own."""

import pytest

from tests.faults.cases import cases
from tests.faults.fresh import fresh_world
from tests.faults.page import PAGE, page
from tests.faults.rules import Verdict
from tests.faults.runner import Matrix


@pytest.fixture(scope="module")
async def seen(database_url: str, redis_url: str, redis_prefix: str, pytestconfig: pytest.Config) -> dict[str, Verdict]:
    """Return the observed verdict of each case, by its id; `make faults` writes them to the page."""
    all_cases = cases()
    async with fresh_world(database_url, redis_url, redis_prefix, "faults") as world:
        verdicts = await Matrix(world, all_cases).play()
    if pytestconfig.getoption("--write-fault-matrix"):
        PAGE.write_text(page(all_cases, verdicts))
    return verdicts
