"""Providers that a test plays: what each credential and model says is scripted, exchange by exchange."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any

import msgspec

from tidegate.core import endpoints
from tidegate.core.errors import TidegateError
from tidegate.providers.base import Credential, Fitted
from tidegate.providers.target import Target
from tidegate.wire.call import Call

JSON = {"content-type": "application/json"}
EVENTS = {"content-type": "text/event-stream"}

Said = "PlayedExchange | TidegateError | Callable[[], Awaitable[PlayedExchange]]"


class PlayedExchange:
    """An answer in pieces. A piece may be an error, or something to wait for."""

    def __init__(self, *pieces: Any, status: int = 200, headers: Mapping[str, str] = EVENTS) -> None:
        self.status = status
        self.headers = dict(headers)
        self._pieces = list(pieces)
        self.closed = False
        self.finished = False

    async def some(self) -> bytes:
        while self._pieces:
            piece = self._pieces.pop(0)
            if isinstance(piece, bytes):
                return piece
            if isinstance(piece, TidegateError):
                raise piece
            await piece()
        return b""

    async def whole(self) -> bytes:
        parts = []
        while data := await self.some():
            parts.append(data)
        return b"".join(parts)

    def close(self) -> None:
        self.closed = True

    def finish(self) -> None:
        self.finished = True


class PlayedProvider:
    """Implements `tidegate.providers.base.Provider`."""

    speaks = frozenset(endpoints.ALL)
    reasoning_field: str | None = None
    max_answer_bytes = 1_000_000

    def __init__(self, name: str, *credentials: str) -> None:
        self.name = name
        self.credentials = tuple(Credential(name=each) for each in credentials or ("main",))
        self.script: dict[str, list[Any]] = {}
        """By credential: what it says next; the last goes on for ever."""
        self.asked: list[str] = []
        self.probes: list[str] = []
        self.probe_says: list[TidegateError | None] = [None]
        self.refuses_to_fit: TidegateError | None = None

    def says(self, *said: Any, credential: str = "main") -> "PlayedProvider":
        """From now on."""
        self.script[credential] = list(said)
        return self

    def fit(self, call: Call, target: Target) -> Fitted:
        if self.refuses_to_fit is not None:
            raise self.refuses_to_fit
        return Fitted(target=target, route=call.route, body=call.forwarded(), stream=call.stream)

    async def ask(self, fitted: Fitted, credential: Credential, headers: Mapping[str, str]) -> Any:  # noqa: ARG002  # the protocol's signature
        self.asked.append(f"{self.name}/{credential.name}/{fitted.target.model}")
        said = self.script[credential.name]
        now = said.pop(0) if len(said) > 1 else said[0]
        if isinstance(now, TidegateError):
            raise now
        return await now() if callable(now) else now

    async def probe(self, credential: Credential) -> None:
        self.probes.append(credential.name)
        said = self.probe_says.pop(0) if len(self.probe_says) > 1 else self.probe_says[0]
        if said is not None:
            raise said


def refusal(status: int, **error: Any) -> Callable[[], Awaitable[PlayedExchange]]:
    """An error as OpenAI sends it, however often it is asked for."""
    body = msgspec.json.encode({"error": {"message": "No.", "type": None, "code": None, "param": None, **error}})

    async def made() -> PlayedExchange:
        return PlayedExchange(body, status=status, headers=JSON)

    return made


def answering(text: str = "Hi", *, model: str = "m-1") -> Callable[[], Awaitable[PlayedExchange]]:
    """A whole chat completion, however often it is asked for."""
    message = {"role": "assistant", "content": text}
    body = {
        "model": model,
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 3, "completion_tokens": 2},
    }

    async def made() -> PlayedExchange:
        return PlayedExchange(msgspec.json.encode(body), headers=JSON)

    return made


def event(value: Any, name: str = "") -> bytes:
    """One event."""
    return (f"event: {name}\n".encode() if name else b"") + b"data: " + msgspec.json.encode(value) + b"\n\n"


def said(text: str, finish: str | None = None) -> bytes:
    """A chat chunk."""
    return event({"model": "m-1", "choices": [{"index": 0, "delta": {"content": text}, "finish_reason": finish}]})


ROLE = event({"model": "m-1", "choices": [{"index": 0, "delta": {"role": "assistant", "content": ""}}]})
DONE = b"data: [DONE]\n\n"


def streaming(*pieces: Any) -> Callable[[], Awaitable[PlayedExchange]]:
    """A stream of these pieces, however often it is asked for."""

    async def made() -> PlayedExchange:
        return PlayedExchange(*pieces)

    return made


async def drained(more: Callable[[], Awaitable[list[bytes]]]) -> AsyncIterator[bytes]:
    """All events that come."""
    while events := await more():
        for one in events:
            yield one
