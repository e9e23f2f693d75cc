"""What one Realtime session is, from its handshake to its end, and what its parts share."""

from collections.abc import Mapping
from typing import Protocol

import msgspec

from tidegate.core.errors import BudgetExceeded, InvalidApiKey, MissingApiKey, TidegateError
from tidegate.core.ledger_entry import LedgerEntry
from tidegate.core.values import Caller
from tidegate.providers.target import Target

ROUTE = "realtime"
"""The name of sessions, and of their responses, in the ledger and in metrics."""
END_USER_HEADER = "openai-safety-identifier"
TRANSCRIPTION_ROUTE = "realtime.transcription"
"""The same of what is spoken and written down by a model of its own."""


class SessionRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A handshake for a session."""

    id: str
    authorization: str
    """The header; where a browser cannot set it, what the subprotocol says."""
    headers: Mapping[str, str]
    """All headers, names in lower case."""
    model: str
    """The model that the address names; empty for a session that transcribes, and names its model later."""
    parameters: Mapping[str, str]
    """The other parameters of the address that are forwarded."""

    @property
    def end_user(self) -> str | None:
        """The end user, whom OpenAI's header names."""
        return self.headers.get(END_USER_HEADER) or None

    def __repr__(self) -> str:
        return f"SessionRequest({self.id})"  # the headers hold the caller's key


class SessionContext(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a session that is open."""

    request: SessionRequest
    caller: Caller
    """As it was at the handshake."""
    tags: dict[str, str] | None
    target: Target
    """Before the session is open, the first one to try."""
    credential: str | None = None
    """The name of the credential with which it was opened."""
    started_at: float
    """Seconds on the monotonic clock."""
    at: float
    """Unix seconds of the handshake."""

    def entry(self, entry_id: str, *, at: float, route: str = ROUTE, model: str = "") -> LedgerEntry:
        """Return a ledger entry of this session before anything has happened."""
        return LedgerEntry(
            id=entry_id,
            at=at,
            project=self.caller.project,
            key_id=self.caller.key_id,
            end_user=self.request.end_user,
            route=route,
            model=model or self.request.model or "realtime",
            provider=self.target.provider,
            credential=self.credential,
            outcome="ok",
            cache="off",
            stream=True,
            attempts=1,
            tags=self.tags,
        )


class SessionEnd(msgspec.Struct, frozen=True, kw_only=True):
    """How a session ended."""

    error: TidegateError | None = None
    """Why it was ended; None where the client closed it."""
    code: int = 1000
    """The code that the client's connection is closed with."""


class ClientEnd(Protocol):
    """The client's side of a session."""

    async def receive(self) -> bytes | None:
        """Return the next event; None once, when this process is about to end. Raises ClientDisconnected.

        May be cancelled and called again without loss. Also raises MemoryShareExceeded and EventTooLarge.
        """
        ...

    async def send(self, text: str) -> None:
        """Send an event; wait while the client does not read. Raises ClientDisconnected."""
        ...


def ends_session(error: TidegateError) -> bool:
    """Return whether an event that is refused so ends its session: nothing that follows could be paid, or allowed."""
    return isinstance(error, BudgetExceeded | InvalidApiKey | MissingApiKey)
