"""The FastAPI application: models, health, and errors in OpenAI's format. Called by the assembly."""

import asyncio
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
from tidegate.core.errors import (
    MethodNotAllowed,
    ModelNotAllowed,
    OperationNotCarried,
    StoreError,
    TidegateError,
    UnknownRoute,
)
from tidegate.core.ids import IdSource
from tidegate.core.process.lifecycle import Lifecycle
from tidegate.monitoring.traffic_health import TrafficHealth, UpstreamState
from tidegate.routing.health.report import UpstreamHealth
from tidegate.routing.models import ModelCatalog
from tidegate.storage.postgres import Postgres
from tidegate.storage.redis import RedisLink
from tidegate.web import envelope
from tidegate.web.aliases import likely_path
from tidegate.web.docs.description import DescribedApi
from tidegate.web.docs.page import add_docs
from tidegate.wire.operations import table

_log = structlog.get_logger("web")

Lifespan = Callable[[FastAPI], Any]


class ErrorBody(BaseModel):
    """The error."""

    message: str
    type: str | None
    param: str | None = None
    code: str | int | None = None


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
        return _error(_unknown_route(api, where, request.scope), ids)

    @api.exception_handler(Exception)
    async def failed(request: Request, error: Exception) -> Response:
        _log.error("unexpected failure", path=request.url.path, exc_info=error)
        return _error(TidegateError(), ids)

    add_docs(api)
    return api


def _unknown_route(api: FastAPI, where: str, scope: Scope) -> UnknownRoute:
    """Return the error of an unknown address, with the one that was probably meant."""

    def is_known(path: str) -> bool:
        return (
            path in endpoints.BY_PATH
            or bool(table.methods_of(path))
            or bool(_allowed_methods(api, {**scope, "path": path}))
        )

    likely = likely_path(scope["path"], is_known)
    if likely is None and scope["path"].startswith("/v1/"):
        return OperationNotCarried(
            f"Invalid URL ({where}). This gateway does not carry such an operation, so nothing was sent; /openapi.json "
            'lists all that it does. Its operator may set passthrough.unknown = "allow" for operations that are newer.'
        )
    advice = f"Did you mean {likely}?" if likely else "This gateway has no such route; /openapi.json lists all."
    return UnknownRoute(f"Invalid URL ({where}). {advice}")


def _allowed_methods(api: FastAPI, scope: Scope) -> list[str]:
    """Return the methods that any route has for a path; a router reports only those of the first match."""
    scopes = ((method, {**scope, "method": method}) for method in ("DELETE", "GET", "PATCH", "POST"))
    methods = [
        method
        for method, method_scope in scopes
        if any(route.matches(method_scope)[0] is Match.FULL for route in api.routes)
    ]
    return sorted([*methods, "HEAD"]) if "GET" in methods else methods  # HEAD works on every GET


def add_models(api: FastAPI, api_keys: ApiKeyCache, models: ModelCatalog, ids: IdSource) -> None:
    """Add `GET /v1/models`, `GET /v1/models/{id}` and, for admin keys, `DELETE /v1/models/{id}`."""

    async def list_models(request: Request) -> Response:
        caller = await api_keys.caller(request.headers.get("authorization", ""))
        listed = await models.list_all()
        if caller.models:
            listed = {**listed, "data": [model for model in listed["data"] if model["id"] in caller.models]}
        return _json(listed, ids)

    async def get_model(request: Request, name: str) -> Response:
        _check_name(name)
        caller = await api_keys.caller(request.headers.get("authorization", ""))
        if caller.models and name not in caller.models:
            raise ModelNotAllowed(f"The model `{name}` does not exist or you do not have access to it.", param="model")
        return _json(await models.read_one(name), ids)

    async def delete_model(request: Request, name: str) -> Response:
        _check_name(name)
        await api_keys.admin(request.headers.get("authorization", ""))
        return _json(await models.delete(name), ids)

    for path, handler, method, summary in (
        ("/v1/models", list_models, "GET", "List models"),
        ("/v1/models/{name:path}", get_model, "GET", "Get a model"),
        ("/v1/models/{name:path}", delete_model, "DELETE", "Delete a fine-tuned model"),
    ):
        api.add_api_route(path, handler, methods=[method], summary=summary, tags=["models"])


def _check_name(name: str) -> None:
    """Raise UnknownRoute for what is no model's name: the provider's address would lead elsewhere."""
    if name in ("", ".", ".."):
        raise UnknownRoute("Invalid URL: it names no model. Did you mean /v1/models?")


def add_health(  # noqa: PLR0913  # a parameter for each part
    api: FastAPI,
    *,
    postgres: Postgres,
    redis: RedisLink,
    upstream: TrafficHealth,
    probe: Callable[[], Awaitable[None]],
    health_snapshot: Callable[[], UpstreamHealth],
    lifecycle: Lifecycle,
) -> None:
    """Add `/livez` (the process), `/readyz` (can it answer?) and `/health/upstream` (from real traffic)."""

    async def livez() -> Response:
        return Response(b'{"status":"ok"}', media_type="application/json")

    async def readyz() -> Response:
        if lifecycle.is_draining:
            return Response(b'{"status":"draining"}', 503, media_type="application/json")
        names = await asyncio.gather(_store_state(postgres.ping), _store_state(redis.ping))
        states = dict(zip(("postgres", "redis"), names, strict=True))
        away = [store for store, state in states.items() if state != "ok"]
        status = {"status": "degraded", "degraded": away} if away else {"status": "ok"}
        return Response(msgspec.json.encode({**status, **states}), media_type="application/json")

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
        ("/readyz", readyz, "Readiness to answer requests"),
        ("/healthz", readyz, "The same as /readyz"),
        ("/health", readyz, "The same as /readyz"),
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
