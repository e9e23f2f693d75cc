"""A database without a schema, for the tests of migrations."""

from collections.abc import Iterator
from urllib.parse import urlsplit

import psycopg
import pytest

from tidegate.storage.embedded import StoreUrls


@pytest.fixture
def empty_database(stores: StoreUrls) -> Iterator[str]:
    name = "tidegate_test_migrate"
    with psycopg.connect(stores.database_url, autocommit=True) as server:
        server.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        server.execute(f"CREATE DATABASE {name}")
        yield urlsplit(stores.database_url)._replace(path=f"/{name}").geturl()
        server.execute(f"DROP DATABASE {name} WITH (FORCE)")
