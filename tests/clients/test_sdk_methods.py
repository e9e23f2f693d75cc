"""Each method of the official SDK works against the simulator. The methods are found by reflection."""

import warnings

import pytest

from tests.clients.sdk import containers, inference, jobs, media, stored, vector_stores
from tests.clients.sdk.inference import STORED_BY_THE_GATEWAY
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


WITHOUT_A_ROW = {
    "admin.": "administers OpenAI's organization: refused by the gateway in its words",
    "beta.assistants.": "retired by OpenAI: refused by the gateway in its words",
    "beta.threads.": "retired by OpenAI: refused by the gateway in its words",
    "beta.chatkit.": "its sessions go to OpenAI alone: refused by the gateway in its words",
    "beta.chat.": "the methods of `chat` by another name",
    "beta.responses.": "the methods of `responses` with `?beta=true`",
    "beta.agents.": 'not in OpenAI\'s published description: needs passthrough.unknown = "allow"',
    "decisions.": 'not in OpenAI\'s published description: needs passthrough.unknown = "allow"',
    "live.": 'not in OpenAI\'s published description: needs passthrough.unknown = "allow"',
    "safety.": 'not in OpenAI\'s published description: needs passthrough.unknown = "allow"',
    "webhooks.": 'not in OpenAI\'s published description: needs passthrough.unknown = "allow"',
    "realtime.": "needs a WebSocket: in the tests of realtime",
    "beta.realtime.": "needs a WebSocket: in the tests of realtime",
    "responses.connect": "a WebSocket: tests/gateway/test_websocket.py",
}
"""The beginnings of methods that have no row, and why."""


def test_each_method_has_a_row_or_a_reason_to_have_none() -> None:
    rows = set(ROWS) | set(STORED_BY_THE_GATEWAY)
    left = [method for method in every_method() if method not in rows and not method.startswith(tuple(WITHOUT_A_ROW))]
    assert left == []


@pytest.mark.parametrize("beginning", WITHOUT_A_ROW)
def test_each_reason_is_needed(beginning: str) -> None:
    assert any(method.startswith(beginning) for method in every_method())


def test_each_row_is_of_a_method_that_the_sdk_has() -> None:
    assert {*ROWS, *STORED_BY_THE_GATEWAY} - set(every_method()) == set()


@pytest.mark.parametrize("method", ROWS)
async def test_a_method_works_at_the_simulator(method: str) -> None:
    async with upstream() as up, up.sdk(api_key=f"sk-{method}") as client:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # the SDK's older names for a method
            check_strictly(await ROWS[method](client, Made(client)))
