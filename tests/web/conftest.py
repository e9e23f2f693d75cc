"""The admin API on real stores, and a client for it."""

import contextlib
from collections.abc import AsyncIterator

import aiohttp
import pytest
import uvicorn
from fastapi import FastAPI

from tests.harness import listening
from tests.web.api_client import ApiClient, SingleLaneQueue
from tidegate.assembly.alerts import alert_report
from tidegate.assembly.pipeline import budget_check
from tidegate.assembly.privacy import conversation_data_handlers, end_user_handlers
from tidegate.audit.log import AuditLog
from tidegate.audit.store import AuditStore
from tidegate.auth.key_cache import ApiKeyCache
from tidegate.auth.key_rotation import KeyRotation
from tidegate.auth.key_store import KeyStore
from tidegate.auth.project_store import ProjectStore
from tidegate.auth.tag_budget_store import TagBudgetStore
from tidegate.background.job_store import JobStore
from tidegate.cache.purge import AnswerPurge
from tidegate.core.clock import ManualClock
from tidegate.core.config import Settings
from tidegate.core.ids import new_id
from tidegate.core.process.call_memory import CallMemory
from tidegate.core.values import Limits
from tidegate.doctor.finding import DoctorFinding, good
from tidegate.limits.budget_report import BudgetReport
from tidegate.limits.budget_store import BudgetStore
from tidegate.metering.reports.calls import CallLookUp
from tidegate.metering.reports.usage_report import UsageReports
from tidegate.monitoring.counters import Counters
from tidegate.monitoring.worker_metrics import WorkerMetrics
from tidegate.queue.messages import LaneLimits
from tidegate.queue.report import QueueReport
from tidegate.queue.store import CapacityStore
from tidegate.routing.health.report import HealthReport
from tidegate.routing.health.store import HealthStore
from tidegate.storage.postgres import Postgres
from tidegate.storage.redis import RedisLink
from tidegate.web.admin.access import AdminAccess
from tidegate.web.admin.alerts import AlertHandlers
from tidegate.web.admin.budgets import BudgetHandlers
from tidegate.web.admin.cache import CacheHandlers
from tidegate.web.admin.calls import CallHandlers
from tidegate.web.admin.keys import KeyHandlers
from tidegate.web.admin.metrics import MetricsHandlers
from tidegate.web.admin.operating.audit import AuditHandlers
from tidegate.web.admin.operating.doctor import DoctorHandlers
from tidegate.web.admin.projects import ProjectHandlers
from tidegate.web.admin.queue import QueueHandlers
from tidegate.web.admin.routes import AdminHandlers, add_admin_routes
from tidegate.web.admin.upstream import UpstreamHandlers
from tidegate.web.admin.usage import UsageHandlers
from tidegate.web.api import create_api


async def nothing_found() -> list[DoctorFinding]:
    """Find that all is well."""
    return [good("redis_speed", "Redis answers in 0.2 ms.")]


@pytest.fixture
async def api_client(postgres: Postgres, redis_link: RedisLink, redis_prefix: str) -> AsyncIterator[ApiClient]:
    clock = ManualClock()
    keys = KeyStore(postgres, redis_link, clock=clock, prefix=redis_prefix)
    budgets = BudgetReport(
        postgres, BudgetStore(redis_link, prefix=redis_prefix), global_limits=Limits(budget_day=10**9)
    )
    api_keys = ApiKeyCache(keys, clock)
    health = HealthStore(redis_link, prefix=redis_prefix)
    lanes = CapacityStore(redis_link, prefix=redis_prefix, lane_limits=lambda _: LaneLimits())
    report = HealthReport(
        health, targets=["openai/m"], credentials={"openai": ["default"]}, clock=clock, end_waits=lanes.end_waits
    )
    counters = Counters()
    check = budget_check(Settings())
    alert_settings = Settings.model_validate(
        {"alerts": {"slack_url": "http://127.0.0.1:9/x"}, "redis": {"prefix": redis_prefix}}
    )
    handlers = AdminHandlers(
        alerts=AlertHandlers(alert_report(postgres, redis_link, alert_settings, clock)),
        keys=KeyHandlers(keys, KeyRotation(postgres, redis_link, keys, clock=clock, prefix=redis_prefix), clock, check),
        projects=ProjectHandlers(ProjectStore(postgres, redis_link, prefix=redis_prefix), clock, check),
        budgets=BudgetHandlers(budgets, TagBudgetStore(postgres, redis_link, prefix=redis_prefix), clock),
        cache=CacheHandlers(AnswerPurge(redis_link, prefix=redis_prefix)),
        queue=QueueHandlers(QueueReport(SingleLaneQueue(), lambda _: LaneLimits()), JobStore(postgres), clock),
        usage=UsageHandlers(UsageReports(postgres), clock),
        calls=CallHandlers(CallLookUp(postgres), clock),
        upstream=UpstreamHandlers(report),
        conversations=conversation_data_handlers(postgres, redis_link, clock, prefix=redis_prefix),
        users=end_user_handlers(postgres, redis_link, clock, prefix=redis_prefix),
        metrics=MetricsHandlers(WorkerMetrics(counters, None), counters.read_shared),
        audit=AuditHandlers(AuditStore(postgres)),
        doctor=DoctorHandlers(nothing_found),
    )

    @contextlib.asynccontextmanager
    async def lifespan(api: FastAPI) -> AsyncIterator[None]:
        await api_keys.start()
        memory = CallMemory(2**20, wait_seconds=1.0)
        audit = AuditLog(AuditStore(postgres), clock)
        add_admin_routes(api, AdminAccess(api_keys), handlers, audit=audit, ids=new_id, memory=memory)
        yield
        await api_keys.close()

    admin = await keys.create(project="operators", admin=True)
    config = uvicorn.Config(create_api(lifespan, new_id), log_config=None, lifespan="on")
    async with listening(config) as root, aiohttp.ClientSession() as http:
        yield ApiClient(root, admin.token, http, keys)
