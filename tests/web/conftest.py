"""An office for each test."""

import contextlib
from collections.abc import AsyncIterator

import aiohttp
import pytest
import uvicorn
from fastapi import FastAPI

from tests.harness import listening
from tests.web.office import Office, OneLane
from tidegate.assembly.privacy import data_desk
from tidegate.auth.key_cache import KeyRing
from tidegate.auth.key_store import KeyStore
from tidegate.auth.project_store import ProjectStore
from tidegate.background.job_store import JobStore
from tidegate.core.clock import ManualClock
from tidegate.core.ids import new_id
from tidegate.core.values import Limits
from tidegate.limits.budget_report import BudgetReport
from tidegate.limits.budget_store import BudgetStore
from tidegate.metering.usage_report import Reports
from tidegate.monitoring.counters import Counters
from tidegate.monitoring.worker_metrics import Workers
from tidegate.queue.messages import LaneTerms
from tidegate.queue.report import QueueReport
from tidegate.routing.health.report import StandingReport
from tidegate.routing.health.store import StandingStore
from tidegate.storage.postgres import Postgres
from tidegate.storage.redis import RedisLink
from tidegate.web.admin.handlers import KeyDesk, Overlook, ProjectDesk
from tidegate.web.admin.metrics import MetricsDesk
from tidegate.web.admin.routes import add_admin
from tidegate.web.admin.upstream import UpstreamDesk
from tidegate.web.api import create_api


@pytest.fixture
async def office(postgres: Postgres, redis_link: RedisLink, redis_prefix: str) -> AsyncIterator[Office]:
    clock = ManualClock()
    keys = KeyStore(postgres, redis_link, clock=clock, prefix=redis_prefix)
    budgets = BudgetReport(postgres, BudgetStore(redis_link, prefix=redis_prefix), everybody=Limits(budget_day=10**9))
    ring = KeyRing(keys, clock)
    standings = StandingStore(redis_link, prefix=redis_prefix)
    report = StandingReport(standings, targets=["openai/m"], credentials={"openai": ["default"]}, clock=clock)

    counters = Counters()

    @contextlib.asynccontextmanager
    async def lifespan(api: FastAPI) -> AsyncIterator[None]:
        await ring.start()
        add_admin(
            api,
            ring,
            keys=KeyDesk(keys, clock),
            projects=ProjectDesk(ProjectStore(postgres, redis_link, prefix=redis_prefix)),
            overlook=Overlook(
                budgets=budgets,
                queue=QueueReport(OneLane(), lambda _: LaneTerms()),
                jobs=JobStore(postgres),
                reports=Reports(postgres),
                clock=clock,
            ),
            upstream=UpstreamDesk(report),
            data=data_desk(postgres, redis_link, clock, prefix=redis_prefix),
            metrics=MetricsDesk(Workers(counters, None), counters.far),
            ids=new_id,
        )
        yield
        await ring.close()

    admin = await keys.create(project="operators", admin=True)
    config = uvicorn.Config(create_api(lifespan, new_id), log_config=None, lifespan="on")
    async with listening(config) as root, aiohttp.ClientSession() as http:
        yield Office(root, admin.token, http, keys)
