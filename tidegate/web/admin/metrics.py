"""Failure counters and gauges as JSON (`/admin/v1/failures`) and for Prometheus (`/metrics`)."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Self

from fastapi import FastAPI, Request, Response, Security
from fastapi.responses import PlainTextResponse
from fastapi.security import HTTPBearer
from pydantic import Field

from tidegate.auth.key_cache import ApiKeyCache
from tidegate.core.ids import IdSource
from tidegate.monitoring.counters import Counts, Gauge, sum_of
from tidegate.monitoring.worker_metrics import WorkerMetrics
from tidegate.web.admin.schemas import Schema

if TYPE_CHECKING:
    from tidegate.monitoring.metrics.exposition import Exposition

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

    async def exposition(self, accept: str) -> "Exposition":
        """Return the figures in the format that a scraper prefers, which its `Accept` header says."""
        workers, shared = await self._workers.read_all(), await self._read_shared_gauges()
        return await asyncio.to_thread(_exposition, workers, shared, accept)  # thousands of lines


def _exposition(workers: Mapping[str, Counts], shared: tuple[Gauge, ...], accept: str) -> "Exposition":
    from tidegate.monitoring.metrics.exposition import exposition  # noqa: PLC0415  # the first scrape loads the library

    return exposition(workers, shared, accept=accept)


def add_metrics(api: FastAPI, api_keys: ApiKeyCache, handlers: MetricsHandlers, *, public: bool, ids: IdSource) -> None:
    """Add `/metrics`, for admin keys, or without a key if `public`."""

    async def metrics(request: Request) -> Response:
        if not public:
            await api_keys.admin_reader(request.headers.get("authorization", ""))
        page = await handlers.exposition(request.headers.get("accept", ""))
        headers = {"x-request-id": ids("req_"), "content-type": page.content_type, "vary": "accept"}
        return Response(page.body, headers=headers)

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
