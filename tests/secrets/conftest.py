"""The stand-ins for the services that give secrets."""

from collections.abc import Iterator

import pytest

from tests.secrets.fake_services import Services, running_services


@pytest.fixture
def services() -> Iterator[Services]:
    """The stand-ins, with nothing in them."""
    with running_services() as running:
        yield running
