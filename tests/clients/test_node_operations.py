"""Each method of the official Node client works through the gateway, or has a reason here to have no row."""

import pytest

from tests.clients.conftest import Node
from tests.harness import Gateway

pytestmark = pytest.mark.node

WITHOUT_A_ROW = {
    "admin.": "administers OpenAI's organization: refused by the gateway in its words",
    "beta.": "retired by OpenAI, not published, or another name of methods outside of it",
    "decisions.": "not in OpenAI's published description",
    "live.": "not in OpenAI's published description",
    "safety.": "not in OpenAI's published description",
    "webhooks.": "not in OpenAI's published description",
    "fineTuning.checkpoints.": "needs an admin key of OpenAI: refused by the gateway in its words",
    "realtime.": "in the tests of realtime",
    "models.": "in test_node.py",
    "chat.": "in test_node.py",
    "responses.": "in test_node.py",
    "conversations.": "in test_node.py",
    "embeddings.": "in test_node.py",
    "moderations.": "in test_node.py",
}
"""The beginnings of methods that have no row in `operations.mjs`, and why."""


@pytest.mark.long
async def test_each_method_of_the_node_client_works_or_has_a_reason(gateway: Gateway, node: Node) -> None:
    found = await node("operations.mjs", gateway)
    assert found["failures"] == {}
    assert [name for name in found["without"] if not name.startswith(tuple(WITHOUT_A_ROW))] == []
    assert found["rows"] > 100
