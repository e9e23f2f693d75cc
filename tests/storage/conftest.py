"""A Redis that tests may freeze and kill."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tidegate.storage import embedded
from tidegate.storage.embedded import StoreUrls


@pytest.fixture
def server(own_stores: StoreUrls, own_folder: Path) -> Iterator[int]:
    """The process of the test's own Redis: running when the test begins, and resumed after it."""
    assert own_stores.redis_url
    with embedded.running(own_folder):
        pid = int((own_folder / "redis" / "redis.pid").read_text())
        yield pid
        if (own_folder / "redis" / "redis.pid").read_text().strip() == str(pid):
            os.kill(pid, signal.SIGCONT)
