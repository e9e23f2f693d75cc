"""Failure counters and gauges as JSON (`/admin/v1/failures`) and for Prometheus (`/metrics`)."""

from collections.abc import Awaitable, Callable
from typing import Self

from fastapi import FastAPI, Request, Response, Security
from fastapi.responses import PlainTextResponse
from fastapi.security import HTTPBearer
from pydantic import Field

from tidegate.auth.key_cache import ApiKeyCache
from tidegate.core.ids import IdSource
from tidegate.monitoring.counters import Gauge, sum_of
from tidegate.monitoring.prometheus import CONTENT_TYPE, exposition
from tidegate.monitoring.worker_metrics import WorkerMetrics
from tidegate.web.admin.schemas import Schema

ReadSharedGauges = Callable[[], Awaitable[tuple[Gauge, ...]]]


class SampleView(Schema):
    """One value of a gauge."""

    value: float
    labels: dict[str, str]


class GaugeView(Schema):
    """A gauge."""

    name: str
    help: str
    samples: list[SampleView]

    @classmethod
    def of(cls, gauge: Gauge) -> Self:
        """Return the gauge."""
        samples = [SampleView(value=sample.value, labels=sample.labels) for sample in gauge.samples]
        return cls(name=gauge.name, help=gauge.help, samples=samples)


class FailuresView(Schema):
    """The figures of `/metrics`, as JSON."""

    failures: dict[str, dict[str, int]] = Field(description="Failed requests, by error name, then by route.")
    internal_events: dict[str, int] = Field(description="Events inside the gateway, such as lost connections.")
    gauges: list[GaugeView] = Field(description="Gauges of the process that answers.")


class MetricsHandlers:
    """Reports the figures of this gateway's processes."""

    def __init__(self, workers: WorkerMetrics, read_shared_gauges: ReadSharedGauges) -> None:
        """`read_shared_gauges` reads the gauges that all gateways share."""
        self._workers = workers
        self._read_shared_gauges = read_shared_gauges

    async def failures(self) -> FailuresView:
        """Return failed requests, internal events and gauges."""
        counted = sum_of((await self._workers.read_all()).values())
        gauges = [
            GaugeView.of(gauge) for gauge in (*self._workers.read_own().gauges, *await self._read_shared_gauges())
        ]
        return FailuresView(failures=counted.failures, internal_events=counted.internal_events, gauges=gauges)

    async def prometheus_text(self) -> str:
        """Return the figures of each worker in Prometheus' text format."""
        return exposition(await self._workers.read_all(), await self._read_shared_gauges())


def add_metrics(api: FastAPI, api_keys: ApiKeyCache, handlers: MetricsHandlers, *, public: bool, ids: IdSource) -> None:
    """Add `/metrics`, for admin keys, or without a key if `public`."""

    async def metrics(request: Request) -> Response:
        if not public:
            await api_keys.admin(request.headers.get("authorization", ""))
        return Response(
            await handlers.prometheus_text(), headers={"x-request-id": ids("req_")}, media_type=CONTENT_TYPE
        )

    bearer = HTTPBearer(auto_error=False, scheme_name="AdminKey")
    api.add_api_route(
        "/metrics",
        metrics,
        methods=["GET"],
        response_class=PlainTextResponse,
        tags=["operations"],
        summary="Metrics for Prometheus",
        dependencies=[] if public else [Security(bearer)],
    )
