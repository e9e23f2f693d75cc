"""What routing knows of a provider: the Protocols that each provider's package implements, and their values.

A provider translates in both directions. It turns a call into a request of its own format, and the upstream's answer
back into the format of the endpoint that the caller named. It also reads its own errors and rate limits. Routing builds
and sends requests through these types only, so it never asks which kind a provider is.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol, runtime_checkable

import msgspec
from pydantic import SecretStr

from tidegate.core.config import CredentialConfig, ProviderConfig
from tidegate.core.config.sections.providers import DEFAULT_CREDENTIAL
from tidegate.core.endpoints import Endpoint
from tidegate.core.errors import UpstreamError
from tidegate.core.rate_limits import ReportedLimits
from tidegate.providers.answer_memory import AnswerMemory
from tidegate.providers.request_body import HeldBody, RequestBody
from tidegate.providers.target import Target
from tidegate.providers.web_socket import SocketBounds, UpstreamSocket
from tidegate.wire.call import Call

Json = dict[str, Any]


class Credential(msgspec.Struct, frozen=True, kw_only=True):
    """One account at a provider; limits and failures are counted for each."""

    name: str
    """The configured name; shown in logs, metrics and lanes."""
    secret: SecretStr | None = None
    """The provider's key; None where the provider needs none."""
    organization: str | None = None
    project: str | None = None
    rpm: int | None = None
    """The configured limit of requests per minute, for each model."""
    tpm: int | None = None
    """The configured limit of tokens per minute, for each model."""

    def __repr__(self) -> str:
        return f"Credential({self.name})"


def make_credentials(config: ProviderConfig) -> tuple[Credential, ...]:
    """Return the credentials of a provider's configuration; one without a key where it lists none."""
    return tuple(_credential(each) for each in config.credentials) or (Credential(name=DEFAULT_CREDENTIAL),)


def _credential(config: CredentialConfig) -> Credential:
    return Credential(
        name=config.name,
        secret=config.api_key,
        organization=config.organization,
        project=config.project,
        rpm=config.rpm,
        tpm=config.tpm,
    )


class AnswerTranslator(Protocol):
    """Translates one answer of the upstream into the format of the caller's endpoint."""

    @property
    def end_reason(self) -> str | None:
        """Why the upstream's answer ended, in its own words; None where the translated answer says it."""
        ...

    def translate_event(self, event: bytes) -> list[bytes]:
        """Return the caller's events for one event of the upstream's stream. Raises UpstreamError.

        An error event becomes an error event of the caller's endpoint.
        """
        ...

    def translate_body(self, body: bytes) -> bytes:
        """Return the caller's form of an answer that came in one piece. Raises UpstreamError."""
        ...

    def end(self) -> list[bytes]:
        """Return the last events where the stream ended without its terminal event; none if it is incomplete."""
        ...


class ProviderRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A call in the provider's own format, ready to be sent with any of its credentials."""

    target: Target
    endpoint: Endpoint
    """The caller's endpoint: the answer comes back in its format."""
    url: str
    body: HeldBody
    stream: bool
    wants_json: bool = False
    """Whether the caller requested JSON as the answer's text."""
    forces_tool: bool = False
    """Whether the caller named the tool that the model must call."""
    is_limited: bool = False
    """Whether the caller limited the answer's length."""
    adaptations: tuple[str, ...] = ()
    """Each change to the caller's parameters in a word or two; the caller reads them in `x-tidegate-adapted`."""
    new_translator: Callable[[], AnswerTranslator] | None = None
    """Returns a translator for one answer; None where the upstream answers in the caller's format."""

    def __repr__(self) -> str:
        return f"ProviderRequest({self.target.name}, {self.endpoint.label})"  # the body holds the caller's content


class ProviderRefusal(msgspec.Struct, frozen=True, kw_only=True):
    """What an answer that is no success means."""

    error: UpstreamError
    limits: ReportedLimits
    retry: ProviderRequest | None = None
    """The request to send instead, at once: the upstream refused only a part that can be left out."""


class ProviderExchange(Protocol):
    """One request and its answer, read in the format of the caller's endpoint."""

    def send_at_once(self) -> bool:
        """Send the request if a connection is free now; return whether it was sent. Raises ConnectionFailed."""
        ...

    async def wait_for_head(self) -> None:
        """Send the request if that was not done, and wait until its answer begins: what follows is known then.

        May be cancelled and called again where it was sent at once; else the connection is cut.
        Raises ConnectTimeout, ConnectionFailed, FirstByteTimeout or TotalTimeout.
        """
        ...

    def end_sending(self) -> bool:
        """Tell the upstream that the client has left, and leave the answer readable; return whether it was told."""
        ...

    @property
    def is_success(self) -> bool:
        """Whether the upstream took the call."""
        ...

    @property
    def is_stream(self) -> bool:
        """Whether the answer comes as events; else it is read whole. Known for certain after `begin`."""
        ...

    @property
    def request_id(self) -> str | None:
        """The upstream's own identifier of the call."""
        ...

    @property
    def end_reason(self) -> str | None:
        """Why the upstream's answer ended, in its own words; None where the answer as read says it."""
        ...

    def reported_limits(self) -> ReportedLimits:
        """Return the rate limits that the upstream reports beside its answer."""
        ...

    async def begin(self) -> None:
        """Read the first bytes of an answer that is a success: they tell whether it is a stream. Raises UpstreamError.

        May be cancelled and called again without loss.
        """
        ...

    async def read_events(self, memory: AnswerMemory | None = None) -> list[bytes] | None:
        """Return the events of the next bytes, held by `memory`; None at the end of the stream.

        There may be none yet. May be cancelled and called again without loss. Raises UpstreamError.
        """
        ...

    def begin_content(self) -> None:
        """Note that the stream's content has begun: its timeout for the first content ends."""
        ...

    async def read_body(self, memory: AnswerMemory | None = None) -> bytes:
        """Read the answer whole, held by `memory`. Raises UpstreamError."""
        ...

    async def read_refusal(self) -> ProviderRefusal:
        """Read what an answer that is no success means. Raises UpstreamError where it cannot be read."""
        ...

    def error_in_answer(self, error: Any) -> UpstreamError:
        """Return the typed error of an error object that stands inside an answer, in the caller's format."""
        ...

    def close(self) -> None:
        """Cut the connection, unless the answer was read to its end."""
        ...

    def release(self) -> None:
        """Give the connection back to the pool."""
        ...


class OperationRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A request to an operation that passes through as it is."""

    method: str
    path: str
    """OpenAI's, beginning with `/v1`, with its query."""
    headers: Mapping[str, str]
    """The caller's that are forwarded, with those of the body and of the answer that is wanted."""
    body: RequestBody | None
    total_seconds: float | None = None
    """How long the whole may take; None for the provider's own time."""

    def __repr__(self) -> str:
        return f"OperationRequest({self.method} {self.path.partition('?')[0]})"


class OperationExchange(Protocol):
    """A request to an operation and its answer, as bytes."""

    @property
    def status(self) -> int:
        """The answer's status; 0 before `wait_for_head`."""
        ...

    @property
    def headers(self) -> Mapping[str, str]:
        """The answer's headers, by their names in lower case."""
        ...

    async def wait_for_head(self) -> None:
        """Send the request and wait until its answer begins. Raises UpstreamError, and what a streamed body raises."""
        ...

    def reported_limits(self) -> ReportedLimits:
        """Return the rate limits that the upstream reports beside its answer."""
        ...

    async def read_some(self) -> bytes:
        """Return the next bytes of the answer; empty at its end. Raises UpstreamError."""
        ...

    async def read_all(self, memory: AnswerMemory | None = None) -> bytes:
        """Return the whole answer, held by `memory`. Raises UpstreamError."""
        ...

    async def read_refusal(self) -> UpstreamError:
        """Return what an answer that is no success means. Raises UpstreamError where it cannot be read."""
        ...

    def close(self) -> None:
        """Cut the connection, unless the answer was read to its end."""
        ...

    def release(self) -> None:
        """Give the connection back to the pool."""
        ...


@runtime_checkable
class OperationProvider(Protocol):
    """A provider to which operations besides inference pass through."""

    @property
    def name(self) -> str:
        """The configured name."""
        ...

    @property
    def credentials(self) -> tuple[Credential, ...]:
        """At least one, in the order to try."""
        ...

    def operation_exchange(self, request: OperationRequest, credential: Credential) -> OperationExchange:
        """Return the exchange of a request that passes through, which is not sent yet. Raises NoUpstreamKey."""
        ...

    async def renew_key(self, credential: Credential) -> bool:
        """Return whether a request that was refused for its key may be sent again, with another one."""
        ...


class Provider(Protocol):
    """An LLM provider. `tidegate.providers.registry` lists the classes that implement this."""

    @property
    def name(self) -> str:
        """The configured name."""
        ...

    @property
    def credentials(self) -> tuple[Credential, ...]:
        """At least one, in the order to try."""
        ...

    on_refused_key: Callable[[str], Awaitable[bool]]
    """Answers `renew_key`, by the credential's name."""

    def build_request(self, call: Call, target: Target) -> ProviderRequest:
        """Return the call in the provider's format.

        Raises ParameterNotTaken where a rule refuses a parameter, and UnsupportedByTarget or InvalidParameter where the
        provider's API has no way to express the call.
        """
        ...

    def output_parameter(self, endpoint: Endpoint, model: str) -> str:
        """Return the parameter by which a caller limits the output of `model`; empty where it has none."""
        ...

    def exchange(
        self, request: ProviderRequest, credential: Credential, headers: Mapping[str, str]
    ) -> ProviderExchange:
        """Return the exchange of a request with the caller's forwarded `headers`, which is sent at once or waited for.

        Raises NoUpstreamKey.
        """
        ...

    async def open_realtime(
        self,
        target: Target,
        parameters: Mapping[str, str],
        credential: Credential,
        headers: Mapping[str, str],
        bounds: SocketBounds,
    ) -> UpstreamSocket:
        """Open a Realtime session of a target, with the caller's `parameters` and forwarded `headers`.

        A target without a model is a session that names its models itself. Raises NoUpstreamKey and UpstreamError.
        """
        ...

    async def probe(self, credential: Credential) -> None:
        """Send a request that costs nothing, to check that the credential works. Raises UpstreamError."""
        ...

    async def probe_key(self, credential: str, key: SecretStr) -> None:
        """Send a request that costs nothing with another key of a credential. Raises UpstreamError."""
        ...

    def use_key(self, credential: str, key: SecretStr) -> None:
        """Send requests with another key of a credential from now on. Those in flight end with the old one."""
        ...

    async def renew_key(self, credential: Credential) -> bool:
        """Return whether a request that was refused for its key may be sent again, with another one."""
        ...

    async def list_models(self, credential: Credential) -> list[Json]:
        """Return OpenAI's model object for each model that the provider lists. Raises UpstreamError."""
        ...

    async def read_model(self, credential: Credential, name: str) -> Json:
        """Return the model object of one model. Raises UpstreamError."""
        ...

    async def delete_model(self, credential: Credential, name: str) -> Json:
        """Delete a fine-tuned model and return the provider's confirmation. Raises UpstreamError."""
        ...
