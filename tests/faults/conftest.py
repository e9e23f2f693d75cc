"""All cases are played once, together; each test then checks its own."""

import tempfile
from pathlib import Path

import pytest

from tests.faults.cases import cases
from tests.faults.page import PAGE, page
from tests.faults.rules import Verdict
from tests.faults.runner import Matrix
from tests.harness import World
from tidegate.storage.embedded import StoreUrls


@pytest.fixture(scope="module")
async def seen(database_url: str, redis_url: str, redis_prefix: str, pytestconfig: pytest.Config) -> dict[str, Verdict]:
    """Return the observed verdict of each case, by its id; `make faults` writes them to the page."""
    all_cases = cases()
    stores = StoreUrls(database_url=database_url, redis_url=redis_url)
    with tempfile.TemporaryDirectory(prefix="tidegate-faults-") as folder:
        async with World(stores, f"{redis_prefix}-faults", "http://127.0.0.1:9/v1", Path(folder)) as world:
            await world.clear_ledger()
            verdicts = await Matrix(world, all_cases).play()
    if pytestconfig.getoption("--write-fault-matrix"):
        PAGE.write_text(page(all_cases, verdicts))
    return verdicts
