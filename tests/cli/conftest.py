"""A way to run the whole command line on the tests' stores."""

from collections.abc import Callable

import pytest
from typer.testing import CliRunner, Result

from tidegate.cli.application import application
from tidegate.core import logs
from tidegate.storage.embedded import StoreUrls

Tidegate = Callable[..., Result]


@pytest.fixture
def tidegate(clean_stores: StoreUrls, redis_prefix: str) -> Tidegate:
    """`tidegate("keys", "list")` is `tidegate keys list`; `typed` is its input, others change its environment."""
    environment = {
        "TIDEGATE_DATABASE_URL": clean_stores.database_url,
        "TIDEGATE_REDIS_URL": clean_stores.redis_url,
        "TIDEGATE_REDIS__PREFIX": redis_prefix,
    }

    logs.configure("error")  # as `main` does

    def run(*arguments: str, typed: str = "", **changes: str) -> Result:
        return CliRunner().invoke(application(), list(arguments), input=typed, env=environment | changes)

    return run
