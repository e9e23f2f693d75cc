"""The table of the admin API's routes, `/admin/v1`, and what all of them share. Called by the assembly.

To add an endpoint, write its schema and handler in the resource's module and add one line to `_routes`. Every route
accepts admin keys and the dashboard's sessions only, bounds the request's body, and answers errors in OpenAI's
envelope.
"""

from collections.abc import Awaitable, Callable, Coroutine, MutableMapping
from http import HTTPStatus
from typing import Any

import msgspec
from fastapi import APIRouter, FastAPI, Request, Response, Security
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from fastapi.security import HTTPBearer
from starlette.exceptions import HTTPException

from tidegate.audit.log import AuditLog
from tidegate.core.errors import BodyNotJson, InvalidParameter
from tidegate.core.ids import IdSource
from tidegate.core.process.call_memory import CallMemory
from tidegate.web.admin.access import AdminAccess
from tidegate.web.admin.alerts import AlertHandlers
from tidegate.web.admin.budgets import BudgetHandlers
from tidegate.web.admin.cache import CacheHandlers
from tidegate.web.admin.calls import CallHandlers
from tidegate.web.admin.conversations import ConversationDataHandlers, JsonLinesResponse
from tidegate.web.admin.keys import KeyHandlers
from tidegate.web.admin.metrics import MetricsHandlers
from tidegate.web.admin.operating.audit import AuditHandlers
from tidegate.web.admin.operating.audited import AuditedRoute, action_of
from tidegate.web.admin.operating.doctor import DoctorHandlers
from tidegate.web.admin.projects import ProjectHandlers
from tidegate.web.admin.queue import QueueHandlers
from tidegate.web.admin.schemas import UnknownField
from tidegate.web.admin.upstream import UpstreamHandlers
from tidegate.web.admin.usage import UsageHandlers
from tidegate.web.admin.users import EndUserHandlers
from tidegate.web.inference.body import AsgiBody, BodyBounds, read_body

MAX_BODY_BYTES = 64 * 1024
"""Enough for the names of a hundred models, many times over."""
_BODY_BOUNDS = BodyBounds(MAX_BODY_BYTES, seconds=10.0)
_READS_SECRETS: frozenset[str] = frozenset()
"""The actions of GET that give out a secret. There are none: a secret is shown once, by the POST that makes it."""
_CREDENTIAL = "/upstream/credentials/{provider}/{credential}"
_JSON_LINES: dict[str, Any] = {
    "response_class": Response,
    "responses": {200: {"content": {JsonLinesResponse.media_type: {"schema": {"type": "string"}}}}},
}

Handler = Callable[[Request], Coroutine[Any, Any, Response]]


class AdminHandlers(msgspec.Struct, frozen=True, kw_only=True):
    """The handlers of all admin resources."""

    keys: KeyHandlers
    projects: ProjectHandlers
    budgets: BudgetHandlers
    cache: CacheHandlers
    queue: QueueHandlers
    usage: UsageHandlers
    calls: CallHandlers
    upstream: UpstreamHandlers
    conversations: ConversationDataHandlers
    users: EndUserHandlers
    metrics: MetricsHandlers
    alerts: AlertHandlers
    audit: AuditHandlers
    doctor: DoctorHandlers


def _routes(to: AdminHandlers) -> tuple[tuple[str, str, Callable[..., Any], str, dict[str, Any]], ...]:
    """Return method, path, handler, summary and FastAPI's other options of each route."""
    return (
        ("POST", "/keys", to.keys.create, "Create a key", {"status_code": 201}),
        ("GET", "/keys", to.keys.list, "List keys", {}),
        ("POST", "/keys/find", to.keys.find, "Find the key of a secret", {}),
        ("GET", "/keys/{key_id}", to.keys.get, "Get a key", {}),
        ("PATCH", "/keys/{key_id}", to.keys.update, "Change a key", {}),
        ("DELETE", "/keys/{key_id}", to.keys.revoke, "Revoke a key", {}),
        ("POST", "/keys/{key_id}/rotate", to.keys.rotate, "Rotate a key", {}),
        ("POST", "/keys/{key_id}/rotate/undo", to.keys.undo_rotation, "Undo a rotation", {}),
        ("POST", "/keys/{key_id}/rotate/finish", to.keys.finish_rotation, "Finish a rotation", {}),
        ("GET", "/projects", to.projects.list, "List projects", {}),
        ("GET", "/projects/{name:path}", to.projects.get, "Get a project", {}),
        ("PATCH", "/projects/{name:path}", to.projects.update, "Change a project", {}),
        ("GET", "/budgets", to.budgets.list, "List budgets", {}),
        ("PUT", "/budgets/tags", to.budgets.set_tag, "Set the budgets of a tag", {}),
        ("POST", "/cache/purge", to.cache.purge, "Purge stored answers", {}),
        ("GET", "/queue", to.queue.list, "List waiting requests", {}),
        ("GET", "/jobs", to.queue.jobs, "List background responses", {}),
        ("GET", "/usage", to.usage.list, "Sum up usage and cost", {}),
        ("GET", "/calls", to.calls.list, "List calls", {}),
        ("GET", "/calls/{call_id}", to.calls.get, "Get a call", {}),
        ("GET", "/upstream", to.upstream.get, "Show targets and credentials", {}),
        ("POST", f"{_CREDENTIAL}/suspend", to.upstream.suspend, "Suspend a credential", {}),
        ("POST", f"{_CREDENTIAL}/resume", to.upstream.resume, "Resume a credential", {}),
        ("GET", "/alerts", to.alerts.get, "Show the alerts", {}),
        ("POST", "/alerts/test", to.alerts.test, "Send a test message", {}),
        ("POST", "/alerts/mute", to.alerts.mute, "Mute the alerts", {}),
        ("POST", "/alerts/unmute", to.alerts.unmute, "Unmute the alerts", {}),
        ("GET", "/failures", to.metrics.failures, "Show failures and gauges", {}),
        ("GET", "/conversations", to.conversations.list, "List conversations", {}),
        ("GET", "/conversations/{conversation_id}", to.conversations.read, "Read a conversation", {}),
        ("GET", "/messages", to.conversations.search, "Search messages", {}),
        ("GET", "/export", to.conversations.export, "Export stored data", _JSON_LINES),
        ("POST", "/users/forget", to.users.erase, "Erase an end user", {}),
        ("GET", "/audit", to.audit.list, "Show who did what", {}),
        ("GET", "/doctor", to.doctor.get, "Examine the gateway", {}),
    )


def add_admin_routes(
    api: FastAPI,
    access: AdminAccess,
    handlers: AdminHandlers,
    *,
    audit: AuditLog,
    ids: IdSource,
    memory: CallMemory,
) -> None:
    """Add the routes below `/admin/v1`, for admin keys; each act is recorded in the audit log."""
    api.include_router(admin_router(access, handlers, audit=audit, ids=ids, memory=memory))


def admin_router(
    access: AdminAccess, handlers: AdminHandlers, *, audit: AuditLog, ids: IdSource, memory: CallMemory
) -> APIRouter:
    """Return all routes of the admin API."""
    # for the description only: _admin_route_class has checked the key before FastAPI sees the request
    bearer = HTTPBearer(auto_error=False, scheme_name="AdminKey")
    router = APIRouter(
        prefix="/admin/v1",
        tags=["admin"],
        route_class=_admin_route_class(access, audit, ids, memory),
        dependencies=[Security(bearer)],
    )
    for method, path, handler, summary, options in _routes(handlers):
        router.add_api_route(path, handler, methods=[method], summary=summary, **options)
    return router


def _admin_route_class(access: AdminAccess, audit: AuditLog, ids: IdSource, memory: CallMemory) -> type[APIRoute]:
    """Return a route class that checks the key, reads the body within its bounds, records the act, calls FastAPI."""

    class AdminRoute(APIRoute):
        def get_route_handler(self) -> Handler:
            changes = may_change(self)
            handle = AuditedRoute(self, audit).around(_typed_errors(super().get_route_handler()))

            async def handle_admin(request: Request) -> Response:
                caller = await access.admin(request, changes=changes)
                with memory.hold(caller.key_id) as hold:  # for the time of its arrival: what is small is soon handled
                    body = await read_body(AsgiBody(request.receive), request.headers, _BODY_BOUNDS, hold)
                response = await handle(Request(request.scope, _replay(body)), caller, body)
                response.headers["x-request-id"] = ids("req_")
                return response

            return handle_admin

    return AdminRoute


def may_change(route: APIRoute) -> bool:
    """Return whether a route is closed to keys that only read: all that is not GET, and what gives out a secret."""
    return route.methods != {"GET"} or action_of(route) in _READS_SECRETS


def _typed_errors(handle: Handler) -> Handler:
    """Return a handler that raises typed errors for requests that FastAPI does not take."""

    async def handle_typed(request: Request) -> Response:
        try:
            return await handle(request)
        except RequestValidationError as error:
            raise _to_typed_error(error) from error
        except HTTPException as error:
            if error.status_code != HTTPStatus.BAD_REQUEST:
                raise
            raise BodyNotJson from error  # the body is not UTF-8, or nested too deeply

    return handle_typed


def _replay(body: bytes) -> Callable[[], Awaitable[MutableMapping[str, Any]]]:
    async def receive() -> MutableMapping[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    return receive


def _to_typed_error(error: RequestValidationError) -> InvalidParameter | BodyNotJson:
    """Return an error that names the first invalid field and the reason."""
    first = error.errors()[0]
    if first["type"] == "json_invalid":
        return BodyNotJson()
    path = [str(part) for part in first["loc"][1:]]
    cause = first.get("ctx", {}).get("error")
    if isinstance(cause, UnknownField):
        path.append(cause.field)
        message = f"Unknown parameter: '{'.'.join(path)}'; {cause.hint}"
    else:
        message = f"Invalid '{'.'.join(path) or 'body'}': {first['msg'].removeprefix('Value error, ')}."
    return InvalidParameter(message, param=".".join(path) or None)
