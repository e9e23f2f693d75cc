"""A provider with a wire format of its own, to show what a new provider's package consists of.

Its API takes a system prompt beside the messages, answers with content blocks, streams named events, and has its own
error types. Nothing here imports OpenAI's family.
"""

from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any

import msgspec
from pydantic import SecretStr

from tidegate.core import endpoints
from tidegate.core.clock import Clock
from tidegate.core.config import ProviderConfig
from tidegate.core.endpoints import Endpoint
from tidegate.core.errors import (
    InvalidUpstreamKey,
    MalformedAnswer,
    NotTranslatable,
    NoUpstreamKey,
    UpstreamError,
    UpstreamRateLimited,
    UpstreamRejected,
    UpstreamServerError,
)
from tidegate.core.rate_limits import ReportedLimit, ReportedLimits
from tidegate.providers.base import Credential, Json, ProviderRefusal, ProviderRequest, make_credentials
from tidegate.providers.exchange import HttpExchange
from tidegate.providers.http.options import connection_options
from tidegate.providers.request_body import RequestBody
from tidegate.providers.retry_after import retry_after
from tidegate.providers.target import Target
from tidegate.providers.transport import Exchange, Transport
from tidegate.providers.web_socket import UpstreamSocket
from tidegate.wire import sse
from tidegate.wire.call import Call

_ERRORS: dict[str, type[UpstreamError]] = {
    "authentication_error": InvalidUpstreamKey,
    "rate_limit_error": UpstreamRateLimited,
    "api_error": UpstreamServerError,
}
_FINISH_REASONS = {"end_turn": "stop", "max_tokens": "length"}


class MessagesTranslator:
    """Translates one answer into a chat completion. Implements `tidegate.providers.base.AnswerTranslator`."""

    def __init__(self, model: str) -> None:
        self._model = model

    @property
    def end_reason(self) -> None:
        return None

    def translate_event(self, event: bytes) -> list[bytes]:
        said = msgspec.json.decode(sse.data_of(event) or b"{}")
        match said.get("type"):
            case "content_block_delta":
                return [self._chunk({"content": said["delta"]["text"]})]
            case "message_delta":
                return [self._chunk({}, finish_reason=_FINISH_REASONS[said["delta"]["stop_reason"]])]
            case "message_stop":
                return [sse.DONE]
            case "error":
                return [sse.encode(msgspec.json.encode({"error": said["error"]}))]
            case "broken":
                raise MalformedAnswer
        return []

    def translate_body(self, body: bytes) -> bytes:
        answer = msgspec.json.decode(body)
        text = "".join(block["text"] for block in answer["content"])
        choice = {
            "index": 0,
            "message": {"role": "assistant", "content": text},
            "finish_reason": _FINISH_REASONS[answer["stop_reason"]],
        }
        usage = {"prompt_tokens": answer["usage"]["input"], "completion_tokens": answer["usage"]["output"]}
        return msgspec.json.encode({"model": self._model, "choices": [choice], "usage": usage})

    def end(self) -> list[bytes]:
        return []

    def _chunk(self, delta: Json, *, finish_reason: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "finish_reason": finish_reason}
        return sse.encode(msgspec.json.encode({"model": self._model, "choices": [choice]}))


class MessagesExchange(HttpExchange):
    """Implements `tidegate.providers.base.ProviderExchange`."""

    def reported_limits(self) -> ReportedLimits:
        remaining = self._exchange.headers.get("requests-remaining")
        limit = self._exchange.headers.get("requests-limit")
        if remaining is None or limit is None:
            return ReportedLimits()
        return ReportedLimits(requests=ReportedLimit(limit=int(limit), remaining=int(remaining)))

    async def read_refusal(self) -> ProviderRefusal:
        body = msgspec.json.decode(await self._exchange.read_all())
        wait = retry_after(self._exchange.headers, "", self._clock.now())
        return ProviderRefusal(error=_error(body["error"], retry_after=wait), limits=self.reported_limits())

    def error_in_answer(self, error: Any) -> UpstreamError:
        return _error(error)


class MessagesProvider:
    """Implements `tidegate.providers.base.Provider`."""

    def __init__(self, name: str, config: ProviderConfig, transport: Transport, clock: Clock) -> None:
        self.name = name
        self.credentials = make_credentials(config)
        self.on_refused_key: Callable[[str], Awaitable[bool]] = no_other_key
        self._base = config.base_url
        self._options = connection_options(config, section=f"providers.{name}")
        self._transport = transport
        self._clock = clock

    def output_parameter(self, endpoint: Endpoint, model: str) -> str:  # noqa: ARG002  # the same for all
        return "max_tokens"

    def build_request(self, call: Call, target: Target) -> ProviderRequest:
        if call.endpoint is not endpoints.CHAT:
            raise NotTranslatable(f"The target {target.name} does not answer on {call.endpoint.path}.")
        messages = call.body["messages"]
        body = {
            "model": target.model,
            "system": "\n".join(each["content"] for each in messages if each["role"] == "system"),
            "messages": [each for each in messages if each["role"] != "system"],
            "stream": call.stream,
        }
        return ProviderRequest(
            target=target,
            endpoint=call.endpoint,
            url=f"{self._base}/messages",
            body=msgspec.json.encode(body),
            stream=call.stream,
            adaptations=("chat: messages",),
            new_translator=partial(MessagesTranslator, target.model),
        )

    def exchange(
        self, request: ProviderRequest, credential: Credential, headers: Mapping[str, str]
    ) -> MessagesExchange:
        exchange = self._post(request.url, request.body, credential, headers)
        return MessagesExchange(exchange, request, self._clock, max_answer_bytes=self._options.max_answer_bytes)

    async def open_realtime(self, *_: Any) -> UpstreamSocket:
        raise NotImplementedError

    async def probe(self, credential: Credential) -> None:
        await self.list_models(credential)

    async def probe_key(self, credential: str, key: SecretStr) -> None:
        await self.probe(self._with_key(credential, key))

    def use_key(self, credential: str, key: SecretStr) -> None:
        changed = self._with_key(credential, key)
        self.credentials = tuple(changed if each.name == credential else each for each in self.credentials)

    async def renew_key(self, credential: Credential) -> bool:
        return await self.on_refused_key(credential.name)

    def _with_key(self, credential: str, key: SecretStr) -> Credential:
        known = next(each for each in self.credentials if each.name == credential)
        return msgspec.structs.replace(known, secret=key)

    async def list_models(self, credential: Credential) -> list[Json]:
        exchange = self._post(f"{self._base}/list", b"{}", credential, {})
        await exchange.wait_for_head()
        answer = msgspec.json.decode(await exchange.read_all())
        if exchange.status != 200:
            raise _error(answer["error"])
        return [{"id": name, "object": "model"} for name in answer["names"]]

    async def read_model(self, credential: Credential, name: str) -> Json:
        return next(model for model in await self.list_models(credential) if model["id"] == name)

    async def delete_model(self, credential: Credential, name: str) -> Json:  # noqa: ARG002  # the Protocol's signature
        raise UpstreamRejected

    def _post(self, url: str, body: RequestBody, credential: Credential, headers: Mapping[str, str]) -> Exchange:
        if credential.secret is None:
            raise NoUpstreamKey
        secret = credential.secret.get_secret_value()
        own = {"x-key": secret, "accept": "*/*", "accept-encoding": "identity", "user-agent": "tidegate"}
        return self._transport.exchange("POST", url, {**headers, **own}, body, self._options, secret=secret)


async def no_other_key(_: str) -> bool:
    return False


def _error(error: Json, *, retry_after: float | None = None) -> UpstreamError:
    error_class = _ERRORS[error["type"]]
    return error_class(error["message"], retry_after=retry_after if error_class.retryable else None)
