"""Each method of the official SDK works through the gateway as it does straight at the simulator."""

import traceback
import warnings

import openai
import pytest

from tests.clients.sdk.inference import STORED_BY_THE_GATEWAY
from tests.clients.sdk.methods import Made, check_strictly
from tests.clients.test_sdk_methods import ROWS
from tests.harness import World

ALL = {**ROWS, **STORED_BY_THE_GATEWAY}
REFUSED = "fine_tuning.checkpoints."
"""Needs an admin key of OpenAI, which stays out of the gateway."""
WITH_ADMIN_KEY = "models.delete"
"""Deletes for all projects what one credential has, so it needs an admin key of the gateway."""


@pytest.mark.long
@pytest.mark.parametrize("group", sorted({method.partition(".")[0] for method in ALL}))
async def test_a_groups_methods_work_through_the_gateway(world: World, group: str) -> None:
    failures = {}
    async with world.gateway() as gateway, gateway.sdk() as client:
        for method in (
            name for name in ALL if name.partition(".")[0] == group and not name.startswith((REFUSED, WITH_ADMIN_KEY))
        ):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", DeprecationWarning)  # the SDK's older names for a method
                try:
                    check_strictly(await ALL[method](client, Made(client)))
                except Exception as error:  # noqa: BLE001  # all methods are tried, and all failures are shown
                    failures[method] = "".join(traceback.format_exception_only(error))[:300]
    assert failures == {}


@pytest.mark.parametrize("method", [name for name in ROWS if name.startswith(REFUSED)])
async def test_what_needs_an_admin_key_is_refused_in_the_gateways_words(world: World, method: str) -> None:
    async with world.gateway() as gateway, gateway.sdk() as client:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            with pytest.raises(openai.NotFoundError, match=r"this gateway does not carry .* needs an admin key"):
                await ROWS[method](client, Made(client))


async def test_deleting_a_model_needs_an_admin_key_of_the_gateway(world: World) -> None:
    async with world.gateway() as gateway, gateway.sdk() as client:
        with pytest.raises(openai.PermissionDeniedError, match="needs an admin key; nothing was done"):
            await ROWS[WITH_ADMIN_KEY](client, Made(client))
