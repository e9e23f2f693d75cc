"""Calls are reported where something observes them, and nowhere else."""

import contextlib

from tests.gateway.call_reports import KeptReports
from tidegate.assembly.base import Base
from tidegate.assembly.reports import make_reporter
from tidegate.core.clock import ManualClock
from tidegate.core.config import Settings
from tidegate.storage.embedded import StoreUrls


async def test_calls_that_are_not_observed_have_no_reporter(clean_stores: StoreUrls) -> None:
    settings = Settings(database_url=clean_stores.database_url, redis_url=clean_stores.redis_url)
    async with contextlib.AsyncExitStack() as stack:
        base = Base(settings, ManualClock(), stack)
        assert make_reporter(base) is None
        base.call_observers.append(KeptReports())
        assert make_reporter(base) is not None
