"""What is reached from outside besides the inference routes: models, health, the stateful API, administration."""

from functools import partial

from fastapi import FastAPI

from tidegate.assembly.admission import AdmissionParts
from tidegate.assembly.base import Base
from tidegate.assembly.conversations import ConversationParts
from tidegate.assembly.gauges import BudgetGauges
from tidegate.assembly.privacy import data_desk
from tidegate.assembly.routing import lane_terms, standing_report
from tidegate.auth.project_store import ProjectStore
from tidegate.background.job_store import JobStore
from tidegate.core.ids import new_id
from tidegate.limits.budget_report import BudgetReport
from tidegate.limits.budget_store import BudgetStore
from tidegate.metering.usage_report import Reports
from tidegate.monitoring.traffic_health import UpstreamHealth
from tidegate.pipeline.background import Deferral
from tidegate.pipeline.pipeline import Pipeline
from tidegate.queue.messages import LaneTerms
from tidegate.queue.report import QueueReport
from tidegate.queue.store import LaneStore
from tidegate.routing.health.registry import Board
from tidegate.routing.models import Models
from tidegate.web.admin.handlers import KeyDesk, Overlook, ProjectDesk
from tidegate.web.admin.metrics import MetricsDesk, add_metrics
from tidegate.web.admin.routes import add_admin
from tidegate.web.admin.upstream import UpstreamDesk
from tidegate.web.api import add_health, add_models
from tidegate.web.openai.completions import CompletionDesk
from tidegate.web.openai.conversations import ConversationDesk
from tidegate.web.openai.handler_base import Front
from tidegate.web.openai.input_tokens import QuestionDesk
from tidegate.web.openai.responses import ResponseDesk
from tidegate.web.openai.routes import add_stateful
from tidegate.web.websocket.endpoint import Sockets


class Surface:
    """Adds routes to the application."""

    def __init__(self, api: FastAPI, base: Base, admission: AdmissionParts) -> None:
        self._api = api
        self._base = base
        self._admission = admission

    def add_upstream(self, models: Models, health: UpstreamHealth, board: Board) -> None:
        """Models, health, metrics, and the administration."""
        base, keys = self._base, self._admission.keys
        report = standing_report(board.store, base.settings, base.clock)
        add_models(self._api, keys, models, new_id)
        add_health(
            self._api,
            postgres=base.postgres,
            redis=base.redis,
            upstream=health,
            probe=models.probe,
            standings=partial(report.now_on, board),
        )
        open_to_all = base.settings.watch.open_metrics
        base.counters.look(BudgetGauges(base).look)
        metrics = MetricsDesk(base.workers, base.counters.far)
        add_metrics(self._api, keys, metrics, open_to_all=open_to_all, ids=new_id)
        add_admin(
            self._api,
            keys,
            keys=KeyDesk(self._admission.key_store, base.clock),
            projects=ProjectDesk(ProjectStore(base.postgres, base.redis, prefix=base.prefix)),
            overlook=self._overlook(),
            upstream=UpstreamDesk(report),
            data=data_desk(base.postgres, base.redis, base.clock, prefix=base.prefix),
            metrics=metrics,
            ids=new_id,
        )

    def add_conversations(self, parts: ConversationParts, pipeline: Pipeline, deferral: Deferral) -> None:
        """The stateful API."""
        base, admission = self._base, self._admission
        front = Front(admission.keys, admission.visits, base.settings.server, new_id)
        add_stateful(
            self._api,
            completions=CompletionDesk(front, parts.completions),
            responses=ResponseDesk(front, parts.responses, deferral),
            questions=QuestionDesk(front, parts.recollection, pipeline, ids=new_id, clock=base.clock),
            conversations=ConversationDesk(front, parts.conversations, ids=new_id, clock=base.clock),
        )

    def sockets(self, pipeline: Pipeline) -> Sockets:
        """The WebSocket's endpoint."""
        base, settings = self._base, self._base.settings
        sockets = Sockets(
            pipeline,
            self._admission.keys,
            config=settings.websocket,
            server=settings.server,
            clock=base.clock,
            ids=new_id,
            failed=base.counters.failed,
        )
        base.counters.watch("websocket_connections", "WebSocket connections.", lambda: sockets.open)
        return sockets

    def _overlook(self) -> Overlook:
        base, settings = self._base, self._base.settings
        lanes = LaneStore(base.redis, prefix=base.prefix, terms=lambda _: LaneTerms())  # looking needs no terms
        budgets = BudgetStore(base.redis, prefix=base.prefix)
        return Overlook(
            budgets=BudgetReport(base.postgres, budgets, everybody=settings.budgets.everybody),
            queue=QueueReport(lanes, lane_terms(settings)),
            jobs=JobStore(base.postgres),
            reports=Reports(base.postgres),
            clock=base.clock,
        )
