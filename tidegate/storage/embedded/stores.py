"""Starts both stores for their first user and stops them after their last.

Data is kept between runs. Each process that uses a folder holds a shared file lock on it, which the system releases
even after `kill -9`. The last user to leave stops the servers. The next one finds them running or starts them again.
"""

import contextlib
import fcntl
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import msgspec

from tidegate.storage.embedded.folder import USERS_LOCK, EmbeddedError, claim_data_folder
from tidegate.storage.embedded.postgres import EmbeddedPostgres
from tidegate.storage.embedded.redis import EmbeddedRedis

DEFAULT_FOLDER = Path(".tidegate")


class StoreUrls(msgspec.Struct, frozen=True, kw_only=True):
    """The URLs of both stores."""

    database_url: str
    redis_url: str


@contextlib.contextmanager
def running(folder: Path = DEFAULT_FOLDER) -> Iterator[StoreUrls]:
    """Start both stores of `folder` unless they run, and stop them when their last user leaves.

    Raises EmbeddedMissing if a server is not installed, and EmbeddedError when one does not start.
    """
    folder = folder.resolve()
    with _with_plain_errors(folder):
        claim_data_folder(folder)
        users = (folder / USERS_LOCK).open("a")
    postgres, redis = EmbeddedPostgres(folder / "postgres"), EmbeddedRedis(folder / "redis")
    with users:
        try:
            with _folder_lock(folder):
                fcntl.flock(users, fcntl.LOCK_SH)
                stores = StoreUrls(database_url=postgres.ensure(), redis_url=redis.ensure())
            yield stores
        finally:
            with _folder_lock(folder):
                if _is_last_user(users):
                    redis.stop()
                    postgres.stop()


@contextlib.contextmanager
def _with_plain_errors(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise EmbeddedError(f"The data folder {folder} cannot be used: {error.strerror}.") from error


@contextlib.contextmanager
def _folder_lock(folder: Path) -> Iterator[None]:
    """Keep all other processes from starting or stopping servers."""
    with (folder / "start.lock").open("a") as gate:
        fcntl.flock(gate, fcntl.LOCK_EX)
        yield


def _is_last_user(users: IO[str]) -> bool:
    try:
        fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
