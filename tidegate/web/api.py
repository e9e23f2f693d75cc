"""The FastAPI application: models, health, and errors in OpenAI's format. Called by the assembly."""

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import structlog
from fastapi import FastAPI, Request, Response
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.routing import Match
from starlette.types import Scope

from tidegate import __version__
from tidegate.auth.key_cache import ApiKeyCache
from tidegate.core import endpoints
from tidegate.core.endpoints import Endpoint, Format
from tidegate.core.errors import MethodNotAllowed, StoreError, TidegateError, UnknownRoute
from tidegate.core.ids import IdSource
from tidegate.monitoring.traffic_health import TrafficHealth, UpstreamState
from tidegate.routing.health.report import UpstreamHealth
from tidegate.routing.models import ModelCatalog
from tidegate.storage.postgres import Postgres
from tidegate.storage.redis import RedisLink
from tidegate.web import envelope
from tidegate.web.docs.page import add_docs

_log = structlog.get_logger("web")

Lifespan = Callable[[FastAPI], Any]


class ErrorBody(BaseModel):
    """The error."""

    message: str
    type: str
    param: str | None = None
    code: str | None = None


class ErrorSchema(BaseModel):
    """OpenAI's error envelope, used for every error."""

    error: ErrorBody


_DESCRIPTION = (
    "OpenAI's API with caching, cost accounting, rate limiting and failover. Send an API key as "
    "`Authorization: Bearer KEY`. Errors have OpenAI's format; the header `x-tidegate-error` names them."
)
_TAGS = [
    {"name": "inference", "description": "Model calls, as at OpenAI."},
    {"name": "stored data", "description": "Stored completions, responses and conversations, as at OpenAI."},
    {"name": "models", "description": "Models of the configured routes."},
    {"name": "admin", "description": "Administration. Needs an admin key: `tidegate keys create --admin`."},
    {"name": "operations", "description": "Health and metrics of this gateway."},
]
_ERROR_RESPONSES: dict[int | str, dict[str, Any]] = {
    "4XX": {"model": ErrorSchema, "description": "The request was rejected: 400, 401, 403, 404, 405, 409, 413 or 429"},
    "5XX": {"model": ErrorSchema, "description": "A store or the upstream did not answer, or the gateway failed"},
}


class DescribedApi(FastAPI):
    """FastAPI whose description contains the inference endpoints, too: asgi.py serves them without FastAPI."""

    def openapi(self) -> dict[str, Any]:
        """Return the OpenAPI description."""
        if self.openapi_schema is None:
            description = super().openapi()
            for endpoint in endpoints.BY_PATH.values():
                operations = description["paths"].setdefault(endpoint.path, {})
                operations["post"] = _inference_operation(endpoint)
        return self.openapi_schema or {}


def _inference_operation(endpoint: Endpoint) -> dict[str, Any]:
    model = endpoint.default_model or ("gpt-4o-mini" if endpoint.writes else "text-embedding-3-small")
    hello = [{"role": "user", "content": "Hello"}]
    text = {"messages": hello} if endpoint.format is Format.CHAT else {"input": "Hello"}
    body = {"schema": {"type": "object", "additionalProperties": True, "example": {"model": model, **text}}}
    stream = " Send `stream: true` for server-sent events." if endpoint.streams else ""
    return {
        "tags": ["inference"],
        "summary": endpoint.summary,
        "description": f"Takes and returns the same bodies as OpenAI's API.{stream}",
        "requestBody": {"required": True, "content": {"application/json": body}},
        "responses": {"200": {"description": "OpenAI's answer", "content": {"application/json": {}}}},
    }


def create_api(lifespan: Lifespan, ids: IdSource) -> FastAPI:
    """Return the application with `/docs` and no other route: error envelopes, and a request id on every response."""
    api = DescribedApi(
        title="Tidegate",
        description=_DESCRIPTION,
        openapi_tags=_TAGS,
        version=__version__,
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        responses=_ERROR_RESPONSES,
    )

    @api.exception_handler(TidegateError)
    async def refused(_: Request, error: TidegateError) -> Response:
        return _error(error, ids)

    @api.exception_handler(HTTPException)
    async def unrouted(request: Request, error: HTTPException) -> Response:
        where = f"{request.method} {request.url.path}"
        if error.status_code == 405:
            refused = _error(MethodNotAllowed(f"Not allowed to {where.replace(' ', ' on ', 1)}."), ids)
            refused.headers["allow"] = ", ".join(_allowed_methods(api, request.scope))
            return refused
        return _error(UnknownRoute(f"Invalid URL ({where})"), ids)

    @api.exception_handler(Exception)
    async def failed(request: Request, error: Exception) -> Response:
        _log.error("unexpected failure", path=request.url.path, exc_info=error)
        return _error(TidegateError(), ids)

    add_docs(api)
    return api


def _allowed_methods(api: FastAPI, scope: Scope) -> list[str]:
    """Return the methods that any route has for a path; a router reports only those of the first match."""
    scopes = ((method, {**scope, "method": method}) for method in ("DELETE", "GET", "PATCH", "POST"))
    return [
        method
        for method, method_scope in scopes
        if any(route.matches(method_scope)[0] is Match.FULL for route in api.routes)
    ]


def add_models(api: FastAPI, api_keys: ApiKeyCache, models: ModelCatalog, ids: IdSource) -> None:
    """Add `GET /v1/models`, `GET /v1/models/{id}` and, for admin keys, `DELETE /v1/models/{id}`."""

    async def list_models(request: Request) -> Response:
        await api_keys.caller(request.headers.get("authorization", ""))
        return _json(await models.list_all(), ids)

    async def get_model(request: Request, name: str) -> Response:
        await api_keys.caller(request.headers.get("authorization", ""))
        return _json(await models.read_one(name), ids)

    async def delete_model(request: Request, name: str) -> Response:
        await api_keys.admin(request.headers.get("authorization", ""))
        return _json(await models.delete(name), ids)

    for path, handler, method, summary in (
        ("/v1/models", list_models, "GET", "List models"),
        ("/v1/models/{name:path}", get_model, "GET", "Get a model"),
        ("/v1/models/{name:path}", delete_model, "DELETE", "Delete a fine-tuned model"),
    ):
        api.add_api_route(path, handler, methods=[method], summary=summary, tags=["models"])


def add_health(
    api: FastAPI,
    *,
    postgres: Postgres,
    redis: RedisLink,
    upstream: TrafficHealth,
    probe: Callable[[], Awaitable[None]],
    health_snapshot: Callable[[], UpstreamHealth],
) -> None:
    """Add `/livez` (the process), `/readyz` (its stores) and `/health/upstream` (from real traffic)."""

    async def livez() -> Response:
        return Response(b'{"status":"ok"}', media_type="application/json")

    async def readyz() -> Response:
        states = {"postgres": await _store_state(postgres.ping), "redis": await _store_state(redis.ping)}
        ready = all(state == "ok" for state in states.values())
        body = {"status": "ok" if ready else "unavailable", **states}
        return Response(msgspec.json.encode(body), 200 if ready else 503, media_type="application/json")

    async def health_upstream() -> Response:
        report = await upstream.report(probe)
        status = 503 if report.status == UpstreamState.DOWN.value else 200
        snapshot = health_snapshot()  # names and states only: the route needs no key
        body = msgspec.structs.asdict(report) | {
            "targets": {one.name: one.state for one in snapshot.targets},
            "credentials": {one.name: one.state for one in snapshot.credentials},
        }
        return Response(msgspec.json.encode(body), status, media_type="application/json")

    for path, handler, summary in (
        ("/livez", livez, "Liveness of the process"),
        ("/readyz", readyz, "Readiness of PostgreSQL and Redis"),
        ("/health/upstream", health_upstream, "Health of the upstream"),
    ):
        api.add_api_route(path, handler, methods=["GET"], summary=summary, tags=["operations"])


async def _store_state(ping: Callable[[], Awaitable[None]]) -> str:
    try:
        await ping()
    except StoreError as error:
        return error.name
    return "ok"


def _json(content: dict[str, Any], ids: IdSource) -> Response:
    headers = {"x-request-id": ids("req_")}
    return Response(msgspec.json.encode(content), headers=headers, media_type="application/json")


def _error(error: TidegateError, ids: IdSource) -> Response:
    headers = {name.decode(): value.decode() for name, value in envelope.headers_of(error)}
    headers["x-request-id"] = ids("req_")
    return Response(envelope.body_of(error), envelope.status_of(error), headers, media_type="application/json")
