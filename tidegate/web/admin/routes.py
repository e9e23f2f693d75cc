"""The admin API, `/admin/v1`: for admin keys only, each body bounded before it is looked at, OpenAI's envelope."""

from collections.abc import Awaitable, Callable, Coroutine, MutableMapping
from typing import Any

from fastapi import APIRouter, FastAPI, Request, Response, Security
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from fastapi.security import HTTPBearer

from tidegate.auth.key_cache import ApiKeyCache
from tidegate.core.errors import BodyNotJson, InvalidParameter
from tidegate.core.ids import IdSource
from tidegate.web.admin.data import DataHandlers, JsonLinesResponse
from tidegate.web.admin.handlers import KeyHandlers, ProjectHandlers, ReportHandlers
from tidegate.web.admin.metrics import MetricsHandlers
from tidegate.web.admin.schemas import UnknownField
from tidegate.web.admin.upstream import UpstreamHandlers
from tidegate.web.inference.body import read_body

MAX_BODY_BYTES = 64 * 1024
"""Of a request's body: a hundred models' names fit many times."""
_BODY_SECONDS = 10.0

Handler = Callable[[Request], Coroutine[Any, Any, Response]]


def add_admin_routes(  # noqa: PLR0913  # a parameter for each part
    api: FastAPI,
    api_keys: ApiKeyCache,
    *,
    keys: KeyHandlers,
    projects: ProjectHandlers,
    reports: ReportHandlers,
    upstream: UpstreamHandlers,
    data: DataHandlers,
    metrics: MetricsHandlers,
    ids: IdSource,
) -> None:
    """The routes under `/admin/v1`; `ring` knows who may use them."""
    # only described by it: `_guarded` has asked before
    bearer = HTTPBearer(auto_error=False, description="A key made by `tidegate keys create --admin`")
    router = APIRouter(
        prefix="/admin/v1",
        tags=["admin"],
        route_class=_admin_route_class(api_keys, ids),
        dependencies=[Security(bearer)],
    )
    router.add_api_route("/keys", keys.create, methods=["POST"], status_code=201, summary="Make a key")
    router.add_api_route("/keys", keys.list, methods=["GET"], summary="List the keys")
    router.add_api_route("/keys/{key_id}", keys.get, methods=["GET"], summary="Show a key")
    router.add_api_route("/keys/{key_id}", keys.update, methods=["PATCH"], summary="Change a key")
    router.add_api_route("/keys/{key_id}", keys.revoke, methods=["DELETE"], summary="Revoke a key")
    router.add_api_route("/projects", projects.list, methods=["GET"], summary="List the projects")
    router.add_api_route("/projects/{name:path}", projects.get, methods=["GET"], summary="Show a project")
    router.add_api_route("/projects/{name:path}", projects.update, methods=["PATCH"], summary="Change a project")
    router.add_api_route("/budgets", reports.budgets, methods=["GET"], summary="Show the budgets")
    router.add_api_route("/queue", reports.queue, methods=["GET"], summary="Show the queue")
    router.add_api_route("/jobs", reports.jobs, methods=["GET"], summary="Show the background responses")
    router.add_api_route("/usage", reports.usage, methods=["GET"], summary="Show the usage")
    router.add_api_route("/upstream", upstream.show, methods=["GET"], summary="Show targets and credentials")
    one = "/upstream/credentials/{provider}/{credential}"
    router.add_api_route(f"{one}/suspend", upstream.suspend, methods=["POST"], summary="Suspend a credential")
    router.add_api_route(f"{one}/resume", upstream.resume, methods=["POST"], summary="Resume a credential")
    router.add_api_route("/failures", metrics.failures, methods=["GET"], summary="Show what failed")
    router.add_api_route("/messages", data.search, methods=["GET"], summary="Search messages")
    lines: dict[int | str, dict[str, Any]] = {
        200: {"content": {JsonLinesResponse.media_type: {"schema": {"type": "string"}}}}
    }
    router.add_api_route(
        "/export", data.export, methods=["GET"], response_class=Response, responses=lines, summary="Export"
    )
    router.add_api_route("/users/forget", data.erase_end_user, methods=["POST"], summary="Forget an end user")
    api.include_router(router)


def _admin_route_class(ring: ApiKeyCache, ids: IdSource) -> type[APIRoute]:
    """A route that first asks who calls, then takes the body in within its bounds, and only then goes to FastAPI."""

    class Guarded(APIRoute):
        def get_route_handler(self) -> Handler:
            handle = super().get_route_handler()

            async def guarded(request: Request) -> Response:
                await ring.admin(request.headers.get("authorization", ""))
                body = await read_body(
                    request.receive, request.headers, max_bytes=MAX_BODY_BYTES, seconds=_BODY_SECONDS
                )
                try:
                    response = await handle(Request(request.scope, _replay(body)))
                except RequestValidationError as error:
                    raise _to_typed_error(error) from error
                response.headers["x-request-id"] = ids("req_")
                return response

            return guarded

    return Guarded


def _replay(body: bytes) -> Callable[[], Awaitable[MutableMapping[str, Any]]]:
    async def receive() -> MutableMapping[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    return receive


def _to_typed_error(error: RequestValidationError) -> InvalidParameter | BodyNotJson:
    """The first thing that is wrong, and where."""
    first = error.errors()[0]
    if first["type"] == "json_invalid":
        return BodyNotJson()
    where = [str(part) for part in first["loc"][1:]]
    cause = first.get("ctx", {}).get("error")
    if isinstance(cause, UnknownField):
        where.append(cause.field)
        said = f"Unknown parameter: '{'.'.join(where)}'; {cause.hint}"
    else:
        said = f"Invalid '{'.'.join(where) or 'body'}': {first['msg'].removeprefix('Value error, ')}."
    return InvalidParameter(said, param=".".join(where) or None)
