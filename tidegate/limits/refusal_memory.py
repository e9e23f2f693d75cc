"""Remembers for a moment whose requests per minute are used up: the next calls are refused before they are read.

A refusal costs otherwise nearly as much as a hit: the body is read and decoded, tokens are estimated, Redis is asked.
The bucket of a limit only empties until the wait is over, so until then all replicas would answer alike.
"""

import msgspec

from tidegate.core.errors import TidegateError
from tidegate.core.values import Caller, Limits
from tidegate.limits.decision import LimitRejection
from tidegate.limits.rejections import rejection_error
from tidegate.limits.scopes import project_scope

_MAX_SECONDS = 1.0
"""For which a refusal is remembered: a limit that is reset in Redis takes effect within this time."""
_MAX_SCOPES = 1000


class _Refusal(msgspec.Struct, frozen=True):
    rejection: LimitRejection
    until: float
    """When the limit has room again, Unix seconds."""
    forget_at: float


class RefusalMemory:
    """The refusals of one process."""

    def __init__(self) -> None:
        """Nothing was refused yet."""
        self._by_scope: dict[str, _Refusal] = {}

    def __len__(self) -> int:
        return len(self._by_scope)

    def note(self, rejection: LimitRejection, now: float) -> None:
        """Remember a rejection by the requests per minute of a key or a project; `now` is in Unix seconds."""
        is_known_early = rejection.scope.startswith(("key/", "project/"))
        if rejection.kind != "requests" or not rejection.wait or not is_known_early:
            return
        if len(self._by_scope) >= _MAX_SCOPES:
            self._by_scope.clear()
        until = now + rejection.wait
        self._by_scope[rejection.scope] = _Refusal(rejection, until, min(until, now + _MAX_SECONDS))

    def error(self, caller: Caller, now: float) -> TidegateError | None:
        """Return the error of a caller whose limit has no room yet."""
        key = f"key/{caller.key_id}"
        return self._error_of(key, caller.limits, now) or self._error_of(
            project_scope(caller.project), caller.project_limits, now
        )

    def _error_of(self, scope: str, limits: Limits, now: float) -> TidegateError | None:
        refusal = self._by_scope.get(scope)
        if refusal is None:
            return None
        if now >= refusal.forget_at or limits.rpm != refusal.rejection.limit:
            del self._by_scope[scope]
            return None
        wait, limit = refusal.until - now, refusal.rejection.limit
        used = (wait + 60) * limit / 60 - 1  # as limits_check_bucket in limits.lua
        return rejection_error(msgspec.structs.replace(refusal.rejection, wait=wait, used=used), now=now)
