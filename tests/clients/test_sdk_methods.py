"""Each method of the official SDK works against the simulator. The methods are found by reflection."""

import warnings

import pytest

from tests.clients.sdk import containers, inference, jobs, media, stored, vector_stores
from tests.clients.sdk.methods import Made, Row, check_strictly, every_method
from tests.simulator.client import upstream

ROWS: dict[str, Row] = {
    **stored.ROWS,
    **vector_stores.ROWS,
    **containers.ROWS,
    **media.ROWS,
    **jobs.ROWS,
    **inference.ROWS,
}
"""By its name: how each method is called, and what its answer says."""


def test_each_row_is_of_a_method_that_the_sdk_has() -> None:
    assert set(ROWS) - set(every_method()) == set()


@pytest.mark.parametrize("method", ROWS)
async def test_a_method_works_at_the_simulator(method: str) -> None:
    async with upstream() as up, up.sdk(api_key=f"sk-{method}") as client:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # the SDK's older names for a method
            check_strictly(await ROWS[method](client, Made(client)))
