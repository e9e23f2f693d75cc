"""What was counted, for people (`/admin/v1/failures`) and for Prometheus (`/metrics`)."""

from collections.abc import Callable

import msgspec
from fastapi import FastAPI, Request, Response
from fastapi.responses import PlainTextResponse

from tidegate.admission.keys import KeyRing
from tidegate.core.ids import IdSource
from tidegate.watch.counters import Counts
from tidegate.watch.exposition import CONTENT_TYPE, exposition


def add_metrics(api: FastAPI, ring: KeyRing, read: Callable[[], Counts], *, open_to_all: bool, ids: IdSource) -> None:
    """Both routes, for admin keys; `open_to_all` lets scrapers without a key see `/metrics`."""

    async def metrics(request: Request) -> Response:
        if not open_to_all:
            await ring.admin(request.headers.get("authorization", ""))
        return Response(exposition(read()), media_type=CONTENT_TYPE)

    async def failures(request: Request) -> Response:
        await ring.admin(request.headers.get("authorization", ""))
        body = msgspec.json.encode(read())
        return Response(body, headers={"x-request-id": ids("req_")}, media_type="application/json")

    told = "Counters, as Prometheus reads them"
    api.add_api_route("/metrics", metrics, methods=["GET"], response_class=PlainTextResponse, summary=told)
    api.add_api_route("/admin/v1/failures", failures, methods=["GET"], tags=["admin"], summary="Show what failed")
