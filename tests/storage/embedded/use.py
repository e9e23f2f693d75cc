"""Uses of the embedded stores that tests share."""

import contextlib
import os
from collections.abc import Iterator

import psycopg
import redis

from tidegate.storage.embedded import StoreUrls

STRANGER = 65_534
"""The number of `nobody` on most systems; that of no account on others, which is as good here."""


def count(stores: StoreUrls) -> int:
    """Increment a counter in Redis, and return its old value."""
    with redis.Redis.from_url(stores.redis_url) as client:
        return int(client.incr("visits"))


def note(stores: StoreUrls) -> int:
    """Add a row in PostgreSQL, and return the number of rows."""
    with psycopg.connect(stores.database_url, autocommit=True) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS visits (at timestamptz DEFAULT now())")
        connection.execute("INSERT INTO visits DEFAULT VALUES")
        row = connection.execute("SELECT count(*) FROM visits").fetchone()
    return int(row[0]) if row else 0


@contextlib.contextmanager
def as_stranger() -> Iterator[None]:
    """Be another user for a while. Only root can."""
    os.setegid(STRANGER)
    os.seteuid(STRANGER)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(0)
