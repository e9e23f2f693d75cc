"""What was counted and how things stand, for people (`/admin/v1/failures`) and for Prometheus (`/metrics`)."""

from collections.abc import Awaitable, Callable
from typing import Self

from fastapi import FastAPI, Request, Response, Security
from fastapi.responses import PlainTextResponse
from fastapi.security import HTTPBearer
from pydantic import Field

from tidegate.auth.key_cache import KeyRing
from tidegate.core.ids import IdSource
from tidegate.monitoring.counters import Gauge, added
from tidegate.monitoring.prometheus import CONTENT_TYPE, exposition
from tidegate.monitoring.worker_metrics import Workers
from tidegate.web.admin.schemas import Shape

Far = Callable[[], Awaitable[tuple[Gauge, ...]]]


class SampleShape(Shape):
    """One figure."""

    value: float
    labels: dict[str, str]


class GaugeShape(Shape):
    """How something stands."""

    name: str
    help: str
    samples: list[SampleShape]

    @classmethod
    def of(cls, gauge: Gauge) -> Self:
        """The gauge."""
        samples = [SampleShape(value=sample.value, labels=sample.labels) for sample in gauge.samples]
        return cls(name=gauge.name, help=gauge.help, samples=samples)


class FailuresShape(Shape):
    """What `/metrics` shows, as JSON."""

    failures: dict[str, dict[str, int]] = Field(description="Calls that failed, by the error's name, then by route.")
    own_parts: dict[str, int] = Field(description="What befell the gateway's own parts.")
    gauges: list[GaugeShape] = Field(description="How things stand; of the process that answers.")


class MetricsDesk:
    """Shows the figures of this gateway's processes."""

    def __init__(self, workers: Workers, far: Far) -> None:
        """`far` reads the figures that all gateways share."""
        self._workers = workers
        self._far = far

    async def failures(self) -> FailuresShape:
        """Show what failed, what befell the gateway's own parts, and how things stand."""
        counted = added((await self._workers.read()).values())
        gauges = [GaugeShape.of(gauge) for gauge in (*self._workers.mine().gauges, *await self._far())]
        return FailuresShape(failures=counted.failures, own_parts=counted.own_parts, gauges=gauges)

    async def page(self) -> str:
        """The same for Prometheus, of each worker."""
        return exposition(await self._workers.read(), await self._far())


def add_metrics(api: FastAPI, ring: KeyRing, desk: MetricsDesk, *, open_to_all: bool, ids: IdSource) -> None:
    """`/metrics`, for admin keys; `open_to_all` lets scrapers without a key see it."""

    async def metrics(request: Request) -> Response:
        if not open_to_all:
            await ring.admin(request.headers.get("authorization", ""))
        return Response(await desk.page(), headers={"x-request-id": ids("req_")}, media_type=CONTENT_TYPE)

    bearer = HTTPBearer(auto_error=False, description="A key made by `tidegate keys create --admin`")
    api.add_api_route(
        "/metrics",
        metrics,
        methods=["GET"],
        response_class=PlainTextResponse,
        summary="Counters and gauges, as Prometheus reads them",
        dependencies=[] if open_to_all else [Security(bearer)],
    )
