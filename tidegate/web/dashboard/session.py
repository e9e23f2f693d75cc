"""`/dashboard/session`: log in by an admin key, look at the session, log out. Registered by routes.py.

Each login, each wrong key and each logout has a line in the audit log.
"""

from http import HTTPStatus
from http.cookies import CookieError, SimpleCookie
from typing import Literal
from urllib.parse import urlsplit

import msgspec
from fastapi import Request, Response

from tidegate.audit.act import AuditAct, AuditActor
from tidegate.audit.log import AuditLog
from tidegate.auth.sessions import AdminSession, AdminSessions, OpenedSession
from tidegate.core.clock import Clock
from tidegate.core.errors import BodyNotAnObject, BodyNotJson, CallerError, SessionEnded, TooManyLogins
from tidegate.core.ids import IdSource
from tidegate.core.process.call_memory import CallMemory
from tidegate.web.admin.operating.audited import address_of, request_actor
from tidegate.web.dashboard.csrf import check_page, check_request, csrf_token
from tidegate.web.inference.body import AsgiBody, BodyBounds, read_body

COOKIE = "tidegate_session"
_LOOPBACK = ("localhost", "127.0.0.1", "::1")
_MAX_COOKIE_LENGTH = 4096
_BODY_BOUNDS = BodyBounds(max_bytes=4096, seconds=10.0)
_LOGIN, _LOGOUT = AuditAct(action="dashboard.login"), AuditAct(action="dashboard.logout")
_NO_STORE = {"cache-control": "no-store"}


class LoginRequest(msgspec.Struct, frozen=True):
    """A login: the secret of an admin key."""

    key: str

    def __repr__(self) -> str:
        return "LoginRequest(…)"


class SessionView(msgspec.Struct, frozen=True, kw_only=True):
    """A session, for its page."""

    name: str
    kind: Literal["full", "read_only"]
    expires_at: float
    csrf: str


def session_token(request: Request) -> str | None:
    """Return the session's token in a request's cookie; None if there is none."""
    text = request.headers.get("cookie", "")
    if not text or len(text) > _MAX_COOKIE_LENGTH:
        return None
    try:
        found = SimpleCookie(text).get(COOKIE)
    except CookieError:
        return None
    return found.value if found is not None and found.value else None


class SessionHandlers:
    """Answers the requests of the session itself."""

    def __init__(
        self, sessions: AdminSessions, *, audit: AuditLog, clock: Clock, ids: IdSource, memory: CallMemory
    ) -> None:
        self._sessions = sessions
        self._audit = audit
        self._clock = clock
        self._ids = ids
        self._memory = memory

    async def log_in(self, request: Request) -> Response:
        """Open a session by an admin key, and answer with its cookie."""
        check_page(request.headers)
        key = await self._read_key(request)
        try:
            opened = await self._sessions.open(key, request.client.host if request.client else "")
        except TooManyLogins:
            raise  # counted already; a line for each would let a stranger fill the log
        except CallerError:
            stranger = AuditActor(kind="key", id="unknown", name="", address=address_of(request))
            async with self._audit.record(stranger, _LOGIN):
                raise
        async with self._audit.record(request_actor(request, opened.session.caller), _LOGIN):
            return self._with_cookie(request, opened)

    async def show(self, request: Request) -> Response:
        """Return who is logged in, and the text that changing requests must name."""
        token, session = await self.current(request)
        view = SessionView(
            name=session.caller.name or session.caller.key_id,
            kind="read_only" if session.caller.read_only else "full",
            expires_at=session.expires_at,
            csrf=csrf_token(token),
        )
        headers = {**_NO_STORE, "x-request-id": self._ids("req_")}
        return Response(msgspec.json.encode(view), headers=headers, media_type="application/json")

    async def log_out(self, request: Request) -> Response:
        """End the session."""
        token, session = await self.current(request)
        async with self._audit.record(request_actor(request, session.caller), _LOGOUT):
            await self._sessions.close(token)
        response = self._no_content()
        response.delete_cookie(COOKIE, path="/", httponly=True, samesite="strict", secure=_is_secure(request))
        return response

    async def current(self, request: Request) -> tuple[str, AdminSession]:
        """Return the session of a request that comes from its page. Raises SessionEnded and ForgedRequest."""
        token = session_token(request)
        if token is None:
            raise SessionEnded
        check_request(request.method, request.headers, token)
        return token, await self._sessions.find(token)

    async def _read_key(self, request: Request) -> str:
        with self._memory.hold("dashboard") as hold:
            body = await read_body(AsgiBody(request.receive), request.headers, _BODY_BOUNDS, hold)
        try:
            return msgspec.json.decode(body, type=LoginRequest).key.strip()
        except msgspec.ValidationError as error:
            raise BodyNotAnObject('The body must be {"key": "…"} with an admin key; no session was opened.') from error
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise BodyNotJson from error

    def _with_cookie(self, request: Request, opened: OpenedSession) -> Response:
        response = self._no_content()
        response.set_cookie(
            COOKIE,
            opened.token,
            max_age=max(1, int(opened.session.expires_at - self._clock.now())),
            path="/",
            secure=_is_secure(request),
            httponly=True,
            samesite="strict",
        )
        return response

    def _no_content(self) -> Response:
        return Response(status_code=HTTPStatus.NO_CONTENT, headers={**_NO_STORE, "x-request-id": self._ids("req_")})


def _is_secure(request: Request) -> bool:
    """Return whether the cookie is for https only: always, unless the page's own address is the loopback's."""
    host = urlsplit(f"//{request.headers.get('host', '')}").hostname
    return request.url.scheme == "https" or host not in _LOOPBACK
