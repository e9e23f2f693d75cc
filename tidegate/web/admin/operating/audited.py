"""The seam of the admin API to the audit log: every route passes here, so a new one is recorded, too.

A route that does more than read is an act. Reading what callers said is recorded, too: `READS_CONVERSATIONS`.
"""

from collections.abc import Callable, Coroutine
from typing import Any

import msgspec
from fastapi import Request, Response
from fastapi.routing import APIRoute

from tidegate.audit.act import AuditAct, AuditActor, audited_parameters
from tidegate.audit.log import AuditLog
from tidegate.core.values import Caller

READS_CONVERSATIONS = frozenset(
    {"conversations.list", "conversations.read", "conversations.search", "conversations.export"}
)
"""The actions that give out what callers said."""
_COMMANDS = {"budgets.set_tag": "budgets.set", "users.erase": "users.forget"}
"""Actions whose command has another name: one act has one name."""
_MAX_ADDRESS_LENGTH = 200

RouteHandler = Callable[[Request], Coroutine[Any, Any, Response]]
AdminHandler = Callable[[Request, Caller, bytes], Coroutine[Any, Any, Response]]


class AuditedRoute:
    """Records the acts of one route."""

    def __init__(self, route: APIRoute, audit: AuditLog) -> None:
        self._audit = audit
        self._template = route.path_format
        self._is_act = is_recorded(route)
        self._action = action_of(route)

    def __repr__(self) -> str:
        return f"AuditedRoute({self._action}, {'recorded' if self._is_act else 'not recorded'})"

    def around(self, handle: RouteHandler) -> AdminHandler:
        """Return a handler that records its act, if it is one, around `handle`."""

        async def handle_audited(request: Request, caller: Caller, body: bytes) -> Response:
            if not self._is_act:
                return await handle(request)
            async with self._audit.record(request_actor(request, caller), self._act(request, body)) as doing:
                response = await handle(request)
                doing.result = _made_id(response)
            return response

        return handle_audited

    def _act(self, request: Request, body: bytes) -> AuditAct:
        given = {**request.query_params, **_object(body), **request.path_params}
        return AuditAct(
            action=self._action,
            parameters=audited_parameters(given),
            reads_conversations=self._action in READS_CONVERSATIONS,
        )


def is_recorded(route: APIRoute) -> bool:
    """Return whether calls of the route are acts."""
    return route.methods != {"GET"} or action_of(route) in READS_CONVERSATIONS


def action_of(route: APIRoute) -> str:
    """Return the action of a route: the resource's module and the handler's name, such as `keys.revoke`."""
    action = f"{route.endpoint.__module__.rpartition('.')[2]}.{route.endpoint.__name__}"
    return _COMMANDS.get(action, action)


def request_actor(request: Request, caller: Caller) -> AuditActor:
    """Return the admin who sent a request, for the audit log."""
    return AuditActor(kind="key", id=caller.key_id, name=caller.name, address=address_of(request))


def address_of(request: Request) -> str:
    """Return from where a request came, with what proxies say of it."""
    address = request.client.host if request.client else ""
    forwarded = request.headers.get("x-forwarded-for", "")
    text = f"{address} (x-forwarded-for: {forwarded})" if forwarded else address
    return _bounded(text)


def _bounded(text: str) -> str:
    return "".join(each for each in text[:_MAX_ADDRESS_LENGTH] if each.isprintable())


def _object(body: bytes) -> dict[str, Any]:
    """Return the fields of a request's body; FastAPI says what is wrong with one that is no object."""
    try:
        found = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _made_id(response: Response) -> str | None:
    made = _object(bytes(response.body)) if hasattr(response, "body") else {}
    found = made.get("id")
    return found if isinstance(found, str) else None
