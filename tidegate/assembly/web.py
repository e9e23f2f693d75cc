"""The objects of `tidegate.web`: models, health, metrics, the stateful API, the admin API, the WebSocket."""

from functools import partial

from fastapi import FastAPI

from tidegate.assembly.alerts import alert_report
from tidegate.assembly.auth import AuthParts
from tidegate.assembly.base import Base
from tidegate.assembly.conversations import ConversationParts
from tidegate.assembly.gauges import BudgetGauges
from tidegate.assembly.limits import budget_report
from tidegate.assembly.operating.dashboard import add_dashboard, make_sessions
from tidegate.assembly.operating.doctor import Doctor
from tidegate.assembly.pipeline import budget_check
from tidegate.assembly.privacy import conversation_data_handlers, end_user_handlers
from tidegate.assembly.routing import lane_limits, shared_health_report
from tidegate.audit.log import AuditLog
from tidegate.audit.store import AuditStore
from tidegate.auth.project_store import ProjectStore
from tidegate.auth.tag_budget_store import TagBudgetStore
from tidegate.background.job_store import JobStore
from tidegate.cache.purge import AnswerPurge
from tidegate.core.ids import new_id
from tidegate.core.process.lifecycle import Lifecycle
from tidegate.limits.request_count import RequestCount
from tidegate.metering.reports.calls import CallLookUp
from tidegate.metering.reports.usage_report import UsageReports
from tidegate.monitoring.traffic_health import TrafficHealth
from tidegate.pipeline.background import BackgroundSubmitter
from tidegate.pipeline.call_record import CallReporter
from tidegate.pipeline.passthrough.story import Passthrough
from tidegate.pipeline.pipeline import Pipeline
from tidegate.queue.messages import LaneLimits
from tidegate.queue.replicas import Replicas
from tidegate.queue.report import QueueReport
from tidegate.queue.store import CapacityStore
from tidegate.routing.health.registry import HealthRegistry
from tidegate.routing.health.report import HealthReport
from tidegate.routing.models import ModelCatalog
from tidegate.web.admin.access import AdminAccess
from tidegate.web.admin.alerts import AlertHandlers
from tidegate.web.admin.budgets import BudgetHandlers
from tidegate.web.admin.cache import CacheHandlers
from tidegate.web.admin.calls import CallHandlers
from tidegate.web.admin.keys import KeyHandlers
from tidegate.web.admin.metrics import MetricsHandlers, add_metrics
from tidegate.web.admin.operating.audit import AuditHandlers
from tidegate.web.admin.operating.doctor import DoctorHandlers
from tidegate.web.admin.projects import ProjectHandlers
from tidegate.web.admin.queue import QueueHandlers
from tidegate.web.admin.routes import AdminHandlers, add_admin_routes
from tidegate.web.admin.upstream import UpstreamHandlers
from tidegate.web.admin.usage import UsageHandlers
from tidegate.web.api import add_health, add_models
from tidegate.web.openai.answers import AnswerHandlers
from tidegate.web.openai.completions import CompletionHandlers
from tidegate.web.openai.conversations import ConversationHandlers
from tidegate.web.openai.handler_base import HandlerBase
from tidegate.web.openai.input_tokens import InputTokenHandlers
from tidegate.web.openai.responses import ResponseHandlers
from tidegate.web.openai.routes import add_openai_routes
from tidegate.web.passthrough.endpoint import PassthroughEndpoint
from tidegate.web.websocket.endpoint import WebSocketEndpoint


class WebParts:
    """Add routes to the application."""

    def __init__(
        self, api: FastAPI, base: Base, auth: AuthParts, request_count: RequestCount, lifecycle: Lifecycle
    ) -> None:
        self._api = api
        self._lifecycle = lifecycle
        self._base = base
        self._auth = auth
        self._request_count = request_count

    async def add_operations(
        self, models: ModelCatalog, health: TrafficHealth, board: HealthRegistry, replicas: Replicas
    ) -> None:
        """Add models, health, metrics, the admin API and the dashboard."""
        base, keys = self._base, self._auth.keys
        report = shared_health_report(base, board.store)
        add_models(self._api, keys, models, new_id)
        add_health(
            self._api,
            postgres=base.postgres,
            redis=base.redis,
            upstream=health,
            probe=models.probe,
            health_snapshot=partial(report.read_local, board),
            lifecycle=self._lifecycle,
        )
        open_to_all = base.settings.monitoring.public_metrics
        base.counters.add_shared_gauges(BudgetGauges(base).read)
        metrics = MetricsHandlers(base.workers, base.counters.read_shared)
        add_metrics(self._api, keys, metrics, public=open_to_all, ids=new_id)
        sessions = make_sessions(base, self._auth)
        add_admin_routes(
            self._api,
            AdminAccess(keys, sessions),
            self._admin_handlers(report, metrics),
            audit=AuditLog(AuditStore(base.postgres), base.clock),
            ids=new_id,
            memory=base.body_memory,
        )
        await add_dashboard(
            self._api, base, sessions=sessions, health=board, replicas=replicas, lifecycle=self._lifecycle
        )

    def add_stateful_api(
        self,
        parts: ConversationParts,
        pipeline: Pipeline,
        submitter: BackgroundSubmitter,
        reporter: CallReporter | None,
    ) -> None:
        """Add the stateful API."""
        base = self._base
        base_handlers = HandlerBase(
            self._auth.keys, self._request_count, base.settings.server, new_id, self._lifecycle, base.body_memory
        )
        add_openai_routes(
            self._api,
            completions=CompletionHandlers(base_handlers, parts.completions),
            responses=ResponseHandlers(base_handlers, parts.responses, submitter),
            input_tokens=InputTokenHandlers(
                base_handlers, parts.history, pipeline, ids=new_id, clock=base.clock, reporter=reporter
            ),
            conversations=ConversationHandlers(base_handlers, parts.conversations, ids=new_id, clock=base.clock),
            answers=AnswerHandlers(base_handlers, pipeline),
        )

    def passthrough_endpoint(self, passthrough: Passthrough, reporter: CallReporter | None) -> PassthroughEndpoint:
        """Return what answers the operations that pass through."""
        base, settings = self._base, self._base.settings
        return PassthroughEndpoint(
            passthrough,
            settings.server,
            new_id,
            memory=base.body_memory,
            on_failure=base.counters.count_failure,
            lifecycle=self._lifecycle,
            carries_unknown=settings.passthrough.unknown == "allow",
            reporter=reporter,
        )

    def websocket_endpoint(self, pipeline: Pipeline, reporter: CallReporter | None) -> WebSocketEndpoint:
        """Return the WebSocket endpoint."""
        base, settings = self._base, self._base.settings
        endpoint = WebSocketEndpoint(
            pipeline,
            self._auth.keys,
            config=settings.websocket,
            server=settings.server,
            memory=base.body_memory,
            clock=base.clock,
            ids=new_id,
            on_failure=base.counters.count_failure,
            lifecycle=self._lifecycle,
            reporter=reporter,
        )
        base.counters.add_gauge("websocket_connections", "WebSocket connections.", lambda: endpoint.open_connections)
        return endpoint

    def _admin_handlers(self, report: HealthReport, metrics: MetricsHandlers) -> AdminHandlers:
        base, settings = self._base, self._base.settings
        postgres, redis, clock, prefix = base.postgres, base.redis, base.clock, base.prefix
        capacity = CapacityStore(redis, prefix=prefix, lane_limits=lambda _: LaneLimits())  # reading needs no limits
        budgets = budget_report(postgres, redis, settings)
        check = budget_check(settings)
        return AdminHandlers(
            keys=KeyHandlers(self._auth.key_store, self._auth.rotation, clock, check),
            projects=ProjectHandlers(ProjectStore(postgres, redis, prefix=prefix), clock, check),
            budgets=BudgetHandlers(budgets, TagBudgetStore(postgres, redis, prefix=prefix), clock),
            cache=CacheHandlers(AnswerPurge(redis, prefix=prefix)),
            queue=QueueHandlers(QueueReport(capacity, lane_limits(settings)), JobStore(postgres), clock),
            usage=UsageHandlers(UsageReports(postgres, time_zone=settings.budgets.time_zone), clock),
            calls=CallHandlers(CallLookUp(postgres), clock),
            upstream=UpstreamHandlers(report),
            conversations=conversation_data_handlers(postgres, redis, clock, prefix=prefix),
            users=end_user_handlers(postgres, redis, clock, prefix=prefix),
            metrics=metrics,
            alerts=AlertHandlers(alert_report(postgres, redis, settings, clock)),
            audit=AuditHandlers(AuditStore(postgres)),
            doctor=DoctorHandlers(Doctor(settings, clock).examine),
        )
