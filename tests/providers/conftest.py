"""Plays the contract of the HTTP clients with both of them."""

from collections.abc import Iterator

import pytest

from tests.providers.clients import CLIENTS, PLAYED


@pytest.fixture(params=CLIENTS)
def either_client(request: pytest.FixtureRequest) -> Iterator[None]:
    """Play the test once with each client."""
    PLAYED.name = request.param
    yield
    PLAYED.name = CLIENTS[0]
