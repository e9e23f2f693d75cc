"""Who may use the admin API: an admin key in the header, or the dashboard's session in a cookie. Used by routes.py."""

from fastapi import Request

from tidegate.auth.key_cache import ApiKeyCache
from tidegate.auth.sessions import AdminSessions
from tidegate.core.errors import ReadOnlyKey
from tidegate.core.values import Caller
from tidegate.web.dashboard.csrf import check_request
from tidegate.web.dashboard.session import session_token


class AdminAccess:
    """Identifies the admin of a request."""

    def __init__(self, api_keys: ApiKeyCache, sessions: AdminSessions | None = None) -> None:
        """Without `sessions`, only keys are accepted."""
        self._api_keys = api_keys
        self._sessions = sessions

    async def admin(self, request: Request, *, changes: bool) -> Caller:
        """Return the admin; `changes` tells whether the request may change something.

        A key in the header takes precedence over a session. Raises ReadOnlyKey, ForgedRequest, SessionEnded, and as
        `ApiKeyCache.admin`.
        """
        authorization = request.headers.get("authorization", "")
        token = None if authorization or self._sessions is None else session_token(request)
        if token is None or self._sessions is None:
            caller = await self._api_keys.admin_reader(authorization)
        else:
            check_request(request.method, request.headers, token)
            caller = (await self._sessions.find(token)).caller
        if changes and caller.read_only:
            raise ReadOnlyKey
        return caller
