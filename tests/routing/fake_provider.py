"""A provider of OpenAI's family without a network: the answers of each credential are scripted, one after the other."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any, cast

import msgspec
from pydantic import SecretStr

from tidegate.core.clock import ManualClock
from tidegate.core.endpoints import Endpoint
from tidegate.core.errors import TidegateError
from tidegate.providers.answer_memory import AnswerMemory
from tidegate.providers.base import Credential, Json, ProviderRequest
from tidegate.providers.openai_family.exchange import OpenAIExchange
from tidegate.providers.target import Target
from tidegate.providers.transport import Exchange
from tidegate.providers.web_socket import UpstreamSocket
from tidegate.wire.call import Call

JSON = {"content-type": "application/json"}
EVENTS = {"content-type": "text/event-stream"}

ScriptedAnswer = "PlayedExchange | TidegateError | Callable[[], Awaitable[PlayedExchange]]"


class FakeExchange:
    """An answer in pieces. A piece may be an error, or something to wait for."""

    def __init__(self, *pieces: Any, status: int = 200, headers: Mapping[str, str] = EVENTS) -> None:
        self.status = status
        self.headers = dict(headers)
        self._pieces = list(pieces)
        self.began = False
        """Whether its reader saw content."""
        self.closed = False
        self.released = False

    async def wait_for_head(self) -> None:
        """It has come."""

    async def read_some(self, turn_bytes: int = 0) -> bytes:  # noqa: ARG002  # the signature of the transport
        while self._pieces:
            piece = self._pieces.pop(0)
            if isinstance(piece, bytes):
                return piece
            if isinstance(piece, TidegateError):
                raise piece
            await piece()
        return b""

    def put_back(self, data: bytes) -> None:
        if data:
            self._pieces.insert(0, data)

    async def read_all(self, memory: AnswerMemory | None = None) -> bytes:
        parts = []
        while data := await self.read_some():
            parts.append(data)
            if memory is not None and len(b"".join(parts)) > memory.allowed_bytes:
                await self.hold_more(memory, len(b"".join(parts)))
        return b"".join(parts)

    async def hold_more(self, memory: AnswerMemory, size: int) -> None:
        await memory.hold(size)

    def begin_content(self) -> None:
        self.began = True

    def close(self) -> None:
        self.closed = True

    def release(self) -> None:
        self.released = True


class LateExchange:
    """An answer whose head is waited for: a scripted one, an error, or what a function returns in time."""

    def __init__(self, provider: "FakeProvider", sent_to: str) -> None:
        self._provider = provider
        self._sent_to = sent_to
        self._scripted: Any = None
        self._answer: Any = None

    def send_at_once(self) -> bool:
        if self._provider.has_free_connection:
            self._scripted = self._provider.next_answer(self._sent_to)
        return self._provider.has_free_connection

    async def wait_for_head(self) -> None:
        if self._scripted is None:
            self._scripted = self._provider.next_answer(self._sent_to)
        if isinstance(self._scripted, TidegateError):
            raise self._scripted
        if self._answer is None:
            self._answer = await self._scripted() if callable(self._scripted) else self._scripted

    def end_sending(self) -> bool:
        return False

    def close(self) -> None:
        if self._answer is not None:
            self._answer.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._answer, name)


class FakeProvider:
    """Implements `tidegate.providers.base.Provider`."""

    max_answer_bytes = 1_000_000
    has_free_connection = True
    """Whether a call can be sent at once."""

    def __init__(self, name: str, *credentials: str) -> None:
        self.name = name
        self.credentials = tuple(Credential(name=each) for each in credentials or ("main",))
        self.script: dict[str, list[Any]] = {}
        """By credential: its next answers; the last one is repeated."""
        self.sent_to: list[str] = []
        self.probes: list[str] = []
        self.offered_keys: list[str] = []
        self.used_keys: list[tuple[str, str]] = []
        self.on_refused_key: Callable[[str], Awaitable[bool]] = no_other_key
        self.probe_results: list[TidegateError | None] = [None]
        self.build_error: TidegateError | None = None

    def answers(self, *answers: Any, credential: str = "main") -> "FakeProvider":
        """Answer so from now on."""
        self.script[credential] = list(answers)
        return self

    def output_parameter(self, endpoint: Endpoint, model: str) -> str:  # noqa: ARG002  # the same for all
        return "max_tokens"

    def build_request(self, call: Call, target: Target) -> ProviderRequest:
        if self.build_error is not None:
            raise self.build_error
        return ProviderRequest(
            target=target, endpoint=call.endpoint, url="", body=call.upstream_body(), stream=call.stream
        )

    def exchange(
        self,
        request: ProviderRequest,
        credential: Credential,
        headers: Mapping[str, str],  # noqa: ARG002  # the Protocol's signature
    ) -> OpenAIExchange:
        exchange = cast("Exchange", LateExchange(self, f"{self.name}/{credential.name}/{request.target.model}"))
        return OpenAIExchange(exchange, request, ManualClock(), max_answer_bytes=self.max_answer_bytes)

    def next_answer(self, sent_to: str) -> Any:
        """Note a call, and return its scripted answer."""
        self.sent_to.append(sent_to)
        script = self.script[sent_to.split("/")[1]]
        return script.pop(0) if len(script) > 1 else script[0]

    async def probe_key(self, credential: str, key: SecretStr) -> None:
        self.offered_keys.append(key.get_secret_value())
        await self.probe(next(each for each in self.credentials if each.name == credential))

    def use_key(self, credential: str, key: SecretStr) -> None:
        self.used_keys.append((credential, key.get_secret_value()))

    async def renew_key(self, credential: Credential) -> bool:
        return await self.on_refused_key(credential.name)

    async def list_models(self, credential: Credential) -> list[Json]:
        raise NotImplementedError

    async def read_model(self, credential: Credential, name: str) -> Json:
        raise NotImplementedError

    async def delete_model(self, credential: Credential, name: str) -> Json:
        raise NotImplementedError

    async def open_realtime(self, *_: Any) -> UpstreamSocket:
        raise NotImplementedError

    async def probe(self, credential: Credential) -> None:
        self.probes.append(credential.name)
        said = self.probe_results.pop(0) if len(self.probe_results) > 1 else self.probe_results[0]
        if said is not None:
            raise said


async def no_other_key(_: str) -> bool:
    """There is none."""
    return False


def error_answer(status: int, **error: Any) -> Callable[[], Awaitable[FakeExchange]]:
    """An error as OpenAI sends it, however often it is asked for."""
    body = msgspec.json.encode({"error": {"message": "No.", "type": None, "code": None, "param": None, **error}})

    async def made() -> FakeExchange:
        return FakeExchange(body, status=status, headers=JSON)

    return made


def whole_answer(text: str = "Hi", *, model: str = "m-1") -> Callable[[], Awaitable[FakeExchange]]:
    """A whole chat completion, however often it is asked for."""
    message = {"role": "assistant", "content": text}
    body = {
        "model": model,
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 3, "completion_tokens": 2},
    }

    return whole_body(body)


def whole_body(body: Any) -> Callable[[], Awaitable[FakeExchange]]:
    """This body as one answer with status 200, however often it is asked for."""

    async def made() -> FakeExchange:
        return FakeExchange(msgspec.json.encode(body), headers=JSON)

    return made


def event(value: Any, name: str = "") -> bytes:
    """One event."""
    return (f"event: {name}\n".encode() if name else b"") + b"data: " + msgspec.json.encode(value) + b"\n\n"


def chat_chunk(text: str, finish: str | None = None) -> bytes:
    """A chat chunk."""
    return event({"model": "m-1", "choices": [{"index": 0, "delta": {"content": text}, "finish_reason": finish}]})


ROLE = event({"model": "m-1", "choices": [{"index": 0, "delta": {"role": "assistant", "content": ""}}]})
DONE = b"data: [DONE]\n\n"


def streamed_answer(*pieces: Any) -> Callable[[], Awaitable[FakeExchange]]:
    """A stream of these pieces, however often it is asked for."""

    async def made() -> FakeExchange:
        return FakeExchange(*pieces)

    return made


async def all_events(more: Callable[[], Awaitable[list[bytes]]]) -> AsyncIterator[bytes]:
    """All events that come."""
    while events := await more():
        for one in events:
            yield one
