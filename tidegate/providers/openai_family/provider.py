"""What all providers of OpenAI's family share: they differ in addresses, headers, defaults and model names only.

`tidegate.providers.registry` makes one for each configured provider; routing uses it through
`tidegate.providers.base.Provider`.
"""

from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any, ClassVar
from urllib.parse import quote, urlencode

import msgspec
from pydantic import SecretStr

from tidegate import __version__
from tidegate.core import endpoints
from tidegate.core.clock import Clock
from tidegate.core.config import ParameterRuleConfig, ProviderConfig
from tidegate.core.config.sections.providers import OPENAI_PROVIDER
from tidegate.core.endpoints import Endpoint
from tidegate.core.errors import MalformedAnswer, NoUpstreamKey
from tidegate.providers.base import Credential, Json, OperationRequest, ProviderRequest, make_credentials
from tidegate.providers.http.options import connection_options
from tidegate.providers.openai_family.errors import classify
from tidegate.providers.openai_family.exchange import OpenAIExchange
from tidegate.providers.openai_family.operation_exchange import OpenAIOperationExchange
from tidegate.providers.openai_family.parameter_rules import ParameterMapper, Rule
from tidegate.providers.openai_family.responses_over_chat import ResponsesOverChat
from tidegate.providers.openai_family.signatures import are_signed, without_signatures
from tidegate.providers.request_body import in_parts
from tidegate.providers.target import Target
from tidegate.providers.transport import Transport
from tidegate.providers.web_socket import SocketBounds, UpstreamSocket, open_socket
from tidegate.wire.call import Call
from tidegate.wire.shapes.vector_encoding import VectorEncoding

_ACCOUNT_HEADERS = ("openai-organization", "openai-project")
"""Headers by which a caller chooses an account at OpenAI; they stay away from every other provider."""

_decode_object = msgspec.json.Decoder(dict[str, Any])


class _CredentialHeaders:
    """The gateway's own headers for one credential. A plain class, so that no repr shows the key."""

    def __init__(self, headers: dict[str, str], secret: str) -> None:
        self.for_json = {**headers, "content-type": "application/json", "accept": "application/json"}
        self.for_stream = {**self.for_json, "accept": "text/event-stream"}
        self.headers = headers
        self.secret = secret


class OpenAIFamilyProvider:
    """A provider that speaks OpenAI's API. Implements `tidegate.providers.base.Provider`."""

    built_in_rules: ClassVar[tuple[Rule, ...]] = ()
    """What is known of the models that this kind of provider serves."""
    takes_signatures: ClassVar[bool] = False
    """Whether it may take the signatures that other providers put on tool calls."""
    takes_account_headers: ClassVar[bool] = False
    """Whether the caller's `openai-organization` and `openai-project` may be forwarded."""

    def __init__(self, name: str, config: ProviderConfig, transport: Transport, clock: Clock) -> None:
        """Prepare the provider; `config` has its defaults filled in (`Settings.all_providers`)."""
        self.name = name
        self.credentials = make_credentials(config)
        self.endpoints = frozenset(endpoints.BY_LABEL[label] for label in config.endpoints or ())
        self._base = (config.base_url or "").rstrip("/")
        self._translation = ResponsesOverChat(clock, reasoning_field=config.reasoning_field)
        self._parameter_mapper = ParameterMapper(self.built_in_rules, [_rule(rule) for rule in config.rules])
        self._connection_options = connection_options(
            config, section="upstream" if name == OPENAI_PROVIDER else f"providers.{name}"
        )
        self._max_answer_bytes = self._connection_options.max_answer_bytes
        self._transport = transport
        self._clock = clock
        self._credential_headers: dict[str, _CredentialHeaders] = {}
        """By the credential's name."""
        self.on_refused_key: Callable[[str], Awaitable[bool]] = _no_other_key

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name} at {self._base}>"

    def build_request(self, call: Call, target: Target) -> ProviderRequest:
        """Return the call as the target takes it, translated to chat where the provider has no Responses API.

        Raises ParameterNotTaken, UnsupportedByTarget and InvalidParameter.
        """
        if call.endpoint in self.endpoints:
            return self._request(call, target)
        return self._translation.build_request(
            call, target, self.endpoints, lambda chat_call: self._request(chat_call, target)
        )

    def output_parameter(self, endpoint: Endpoint, model: str) -> str:
        """Return the parameter by which a caller limits the output of `model`; empty where it has none."""
        return self._parameter_mapper.output_cap(endpoint, model) or ""

    def exchange(self, request: ProviderRequest, credential: Credential, headers: Mapping[str, str]) -> OpenAIExchange:
        """Return the exchange of a request, not sent yet. Raises NoUpstreamKey."""
        own = self._credential_headers.get(credential.name) or self._prepare_headers(credential)
        sent = own.for_stream if request.stream else own.for_json
        if headers and not self.takes_account_headers:
            headers = {name: value for name, value in headers.items() if name not in _ACCOUNT_HEADERS}
        if headers:
            sent = {**headers, **sent}
        options = self._connection_options
        exchange = self._transport.exchange("POST", request.url, sent, request.body, options, secret=own.secret)
        return OpenAIExchange(exchange, request, self._clock, max_answer_bytes=self._max_answer_bytes)

    def operation_exchange(self, request: OperationRequest, credential: Credential) -> OpenAIOperationExchange:
        """Return the exchange of a request that passes through, which is not sent yet. Raises NoUpstreamKey."""
        own = self._credential_headers.get(credential.name) or self._prepare_headers(credential)
        headers = {name: value for name, value in request.headers.items() if name not in _ACCOUNT_HEADERS}
        options = self._connection_options
        if request.total_seconds is not None:
            options = msgspec.structs.replace(options, total_seconds=request.total_seconds)
        url = self._operation_url(request.path)
        sent = {**headers, **own.headers}
        exchange = self._transport.exchange(request.method, url, sent, request.body, options, secret=own.secret)
        return OpenAIOperationExchange(exchange, self._clock)

    async def open_realtime(
        self,
        target: Target,
        parameters: Mapping[str, str],
        credential: Credential,
        headers: Mapping[str, str],
        bounds: SocketBounds,
    ) -> UpstreamSocket:
        """Open a Realtime session. Raises NoUpstreamKey and UpstreamError."""
        own = self._credential_headers.get(credential.name) or self._prepare_headers(credential)
        if not self.takes_account_headers:
            headers = {name: value for name, value in headers.items() if name not in _ACCOUNT_HEADERS}
        query = {**self._realtime_query(target), **parameters}
        address = self._realtime_address()
        url = f"ws{address.removeprefix('http')}{'&' if '?' in address else '?'}{urlencode(query)}"
        sent = {**headers, **{name: value for name, value in own.headers.items() if name != "accept-encoding"}}
        return await open_socket(
            url,
            sent,
            self._connection_options,
            bounds,
            classify=lambda status, answered, body: classify(status, answered, body, now=self._clock.now()),
            secret=own.secret,
        )

    async def list_models(self, credential: Credential) -> list[Json]:
        """Return the models of `GET /models`. Raises UpstreamError."""
        data = (await self._read("GET", self._models_url(""), credential)).get("data")
        return [model for model in data if isinstance(model, dict)] if isinstance(data, list) else []

    async def read_model(self, credential: Credential, name: str) -> Json:
        """Return the model object of one model. Raises UpstreamError."""
        return await self._read("GET", self._models_url(f"/{quote(name, safe='')}"), credential)

    async def delete_model(self, credential: Credential, name: str) -> Json:
        """Delete a fine-tuned model and return the provider's confirmation. Raises UpstreamError."""
        return await self._read("DELETE", self._models_url(f"/{quote(name, safe='')}"), credential)

    async def probe(self, credential: Credential) -> None:
        """Read the list of models, which is free, and ignore it. Raises UpstreamError."""
        await self._read_body("GET", self._models_url(""), credential)

    async def probe_key(self, credential: str, key: SecretStr) -> None:
        """Read the list of models with another key, and ignore it. Raises UpstreamError."""
        await self._read_with("GET", self._models_url(""), self._headers_of(self._with_key(credential, key)))

    def use_key(self, credential: str, key: SecretStr) -> None:
        """Send requests with another key from now on."""
        changed = self._with_key(credential, key)
        self.credentials = tuple(changed if each.name == credential else each for each in self.credentials)
        self._prepare_headers(changed)

    async def renew_key(self, credential: Credential) -> bool:
        """Return whether a request that was refused for its key may be sent again, with another one."""
        return await self.on_refused_key(credential.name)

    def _with_key(self, credential: str, key: SecretStr) -> Credential:
        known = next(each for each in self.credentials if each.name == credential)
        return msgspec.structs.replace(known, secret=key)

    async def _read(self, method: str, url: str, credential: Credential) -> Json:
        try:
            return _decode_object.decode(await self._read_body(method, url, credential))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise MalformedAnswer from error

    async def _read_body(self, method: str, url: str, credential: Credential) -> bytes:
        """Return the body of a successful answer. Raises UpstreamError."""
        return await self._read_with(
            method, url, self._credential_headers.get(credential.name) or self._prepare_headers(credential)
        )

    async def _read_with(self, method: str, url: str, own: _CredentialHeaders) -> bytes:
        sent = {**own.headers, "accept": "application/json"}
        exchange = await self._transport.send(method, url, sent, None, self._connection_options, secret=own.secret)
        try:
            body = await exchange.read_all()
        finally:
            exchange.close()
        if not 200 <= exchange.status < 300:
            raise classify(exchange.status, exchange.headers, body, now=self._clock.now())
        return body

    def _request(self, call: Call, target: Target) -> ProviderRequest:
        mapped = self._parameter_mapper.map(call, target, model=self._model(target.model))
        fields = mapped.fields
        if isinstance(items := call.body.get("input"), list) and not self.takes_signatures and are_signed(items):
            fields = {**fields, "input": without_signatures(items)}
        return ProviderRequest(
            target=target,
            endpoint=call.endpoint,
            url=self._url(call.endpoint, target),
            body=in_parts(fields) if call.is_heavy else msgspec.json.encode(fields),
            stream=call.stream,
            wants_json=call.wants_json,
            forces_tool=call.forces_tool,
            is_limited=call.is_limited,
            adaptations=(*call.additions, *mapped.changes),
            new_translator=partial(VectorEncoding, call.body) if call.endpoint is endpoints.EMBEDDINGS else None,
        )

    def _prepare_headers(self, credential: Credential) -> _CredentialHeaders:
        own = self._credential_headers[credential.name] = self._headers_of(credential)
        return own

    def _headers_of(self, credential: Credential) -> _CredentialHeaders:
        headers = {"user-agent": f"tidegate/{__version__}", "accept-encoding": "identity"}
        headers.update(self._authorization(credential))
        if credential.organization:
            headers["openai-organization"] = credential.organization
        if credential.project:
            headers["openai-project"] = credential.project
        secret = "" if credential.secret is None else credential.secret.get_secret_value()
        return _CredentialHeaders(headers, secret)

    # what the kinds differ in

    def _model(self, model: str) -> str:
        """Return the name under which a model is sent."""
        return model

    def _url(self, endpoint: Endpoint, target: Target) -> str:  # noqa: ARG002  # Azure's address names the target
        return self._base + endpoint.path.removeprefix("/v1")

    def _operation_url(self, path: str) -> str:
        """Return the address of an operation; its path begins with `/v1`."""
        return self._base + path.removeprefix("/v1")

    def _models_url(self, path: str) -> str:
        return f"{self._base}/models{path}"

    def _realtime_address(self) -> str:
        return f"{self._base}/realtime"

    def _realtime_query(self, target: Target) -> dict[str, str]:
        """Return the parameter that names the model, if the target has one."""
        return {"model": self._model(target.model)} if target.model else {}

    def _authorization(self, credential: Credential) -> dict[str, str]:
        """Return the header that carries the key. Raises NoUpstreamKey."""
        if credential.secret is None:
            raise NoUpstreamKey
        return {"authorization": f"Bearer {credential.secret.get_secret_value()}"}


async def _no_other_key(_: str) -> bool:
    return False


def _rule(config: ParameterRuleConfig) -> Rule:
    return Rule(
        models=tuple(config.models),
        endpoints=frozenset(endpoints.BY_LABEL[label] for label in config.endpoints) or frozenset(endpoints.ALL),
        rename=tuple(config.rename.items()),
        drop=tuple(config.drop),
        refuse=tuple(config.refuse),
        defaults=tuple((name, msgspec.Raw(msgspec.json.encode(value))) for name, value in config.defaults.items()),
    )
