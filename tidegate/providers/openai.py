"""OpenAI, and what speaks like it at another address, as a provider."""

from collections.abc import Mapping
from urllib.parse import quote

import msgspec

from tidegate import __version__
from tidegate.core import endpoints
from tidegate.core.clock import Clock
from tidegate.core.config import CredentialConfig, ParameterRuleConfig, ProviderConfig
from tidegate.core.config.sections.providers import DEFAULT_CREDENTIAL, OPENAI_PROVIDER
from tidegate.core.errors import NoUpstreamKey
from tidegate.providers.base import Credential, ProviderRequest
from tidegate.providers.errors import classify
from tidegate.providers.parameter_rules import ParameterMapper, Rule
from tidegate.providers.target import Target
from tidegate.providers.transport import Exchange, Transport, connection_options
from tidegate.wire.call import Call

PROVIDER = OPENAI_PROVIDER

_OPENAI_HEADERS = ("openai-organization", "openai-project")
"""Headers of the caller that tell others nothing, and are none of their business."""


class OpenAIProvider:
    """A provider. Implements `tidegate.providers.base.Provider`."""

    def __init__(self, name: str, config: ProviderConfig, transport: Transport, clock: Clock) -> None:
        """`config` has everything said."""
        self.name = name
        self.credentials = _credentials(config)
        self.endpoints = frozenset(endpoints.BY_LABEL[label] for label in config.endpoints or ())
        self.reasoning_field = config.reasoning_field
        self._connection_options = connection_options(
            config, section="upstream" if name == PROVIDER else f"providers.{name}"
        )
        self.max_answer_bytes = self._connection_options.max_answer_bytes
        self._kind = config.kind
        self._base = (config.base_url or "").rstrip("/")
        self._parameter_mapper = ParameterMapper(config.kind, [_rule(rule) for rule in config.rules])
        self._transport = transport
        self._clock = clock

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name} at {self._base}>"

    def build_request(self, call: Call, target: Target) -> ProviderRequest:
        """The call as this target takes it. Raises ParameterNotTaken."""
        adapted = self._parameter_mapper.map(call, target, model=self._model(target.model))
        body = msgspec.json.encode(adapted.fields)
        return ProviderRequest(
            target=target, endpoint=call.endpoint, body=body, stream=call.stream, adaptations=adapted.changes
        )

    async def send(self, request: ProviderRequest, credential: Credential, headers: Mapping[str, str]) -> Exchange:
        """Send a call. Raises the errors of `Transport.send` and NoUpstreamKey."""
        accept = "text/event-stream" if request.stream else "application/json"
        theirs = headers if self._kind == "openai" else _without(headers, _OPENAI_HEADERS)
        sent = {**theirs, **self._own_headers(credential), "content-type": "application/json", "accept": accept}
        return await self._transport.send(
            "POST", self._url(request), sent, request.body, self._connection_options, secret=_secret(credential)
        )

    async def list_models(self, credential: Credential, name: str = "") -> Exchange:
        """Read the list of models, or one of them. Raises the errors of `Transport.send` and NoUpstreamKey."""
        url = self._models_url(f"/{quote(name, safe='')}" if name else "")
        sent = {**self._own_headers(credential), "accept": "*/*"}
        return await self._transport.send("GET", url, sent, None, self._connection_options, secret=_secret(credential))

    async def delete_model(self, credential: Credential, name: str) -> Exchange:
        """Delete a model that was made by fine-tuning. Raises the errors of `Transport.send` and NoUpstreamKey."""
        sent = {**self._own_headers(credential), "accept": "application/json"}
        url = self._models_url(f"/{quote(name, safe='')}")
        return await self._transport.send(
            "DELETE", url, sent, None, self._connection_options, secret=_secret(credential)
        )

    async def probe(self, credential: Credential) -> None:
        """Ask for the list of models and forget it. Raises UpstreamError."""
        exchange = await self.list_models(credential)
        try:
            body = await exchange.read_all()
        finally:
            exchange.close()
        if not 200 <= exchange.status < 300:
            raise classify(exchange.status, exchange.headers, body, now=self._clock.now())

    def _model(self, model: str) -> str:
        """The name of a model in what is sent."""
        return model

    def _url(self, request: ProviderRequest) -> str:
        return self._base + request.endpoint.path.removeprefix("/v1")

    def _models_url(self, path: str) -> str:
        return f"{self._base}/models{path}"

    def _own_headers(self, credential: Credential) -> dict[str, str]:
        fixed = {
            "user-agent": f"tidegate/{__version__}",
            "accept-encoding": "identity",
            **self._authorization(credential),
        }
        if credential.organization:
            fixed["openai-organization"] = credential.organization
        if credential.project:
            fixed["openai-project"] = credential.project
        return fixed

    def _authorization(self, credential: Credential) -> dict[str, str]:
        if credential.secret is not None:
            return {"authorization": f"Bearer {credential.secret.get_secret_value()}"}
        if self._kind == "openai_compatible":
            return {}  # many servers of one's own ask for no key
        raise NoUpstreamKey


def _credentials(config: ProviderConfig) -> tuple[Credential, ...]:
    return tuple(_credential(each) for each in config.credentials) or (Credential(name=DEFAULT_CREDENTIAL),)


def _secret(credential: Credential) -> str:
    return credential.secret.get_secret_value() if credential.secret is not None else ""


def _credential(config: CredentialConfig) -> Credential:
    return Credential(
        name=config.name,
        secret=config.api_key,
        organization=config.organization,
        project=config.project,
        rpm=config.rpm,
        tpm=config.tpm,
    )


def _rule(config: ParameterRuleConfig) -> Rule:
    return Rule(
        models=tuple(config.models),
        routes=frozenset(endpoints.BY_LABEL[label] for label in config.endpoints) or frozenset(endpoints.ALL),
        rename=tuple(config.rename.items()),
        drop=tuple(config.drop),
        refuse=tuple(config.refuse),
        defaults=tuple((name, msgspec.Raw(msgspec.json.encode(value))) for name, value in config.defaults.items()),
    )


def _without(headers: Mapping[str, str], names: tuple[str, ...]) -> dict[str, str]:
    return {name: value for name, value in headers.items() if name not in names}
