"""`[providers]`: LLM providers, their credentials, and the parameters that their models do not support."""

from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, SecretStr, StringConstraints, model_validator

from tidegate.core import endpoints
from tidegate.core.config.secret_reference import MaybeReference
from tidegate.core.config.section import Section
from tidegate.core.config.sections.upstream import Cancels, UpstreamConfig, check_timeouts

OPENAI_PROVIDER = "openai"
"""The provider that `[upstream]` describes; it answers where no route names another."""

DEFAULT_CREDENTIAL = "default"
"""The name of the one credential of `[upstream]`."""

ProviderKind = Literal["openai", "azure", "openai_compatible"]


def _known_endpoint(label: str) -> str:
    if label not in endpoints.BY_LABEL:
        raise ValueError(f"there is no endpoint `{label}`; there are {', '.join(endpoints.BY_LABEL)}")
    return label


EndpointLabel = Annotated[str, AfterValidator(_known_endpoint)]
_NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"
ProviderName = Annotated[str, StringConstraints(pattern=_NAME)]
"""It is the first part of the names of targets and lanes."""

_ENDPOINTS: dict[ProviderKind, tuple[EndpointLabel, ...]] = {
    "openai": ("chat", "responses", "embeddings", "moderations"),
    "azure": ("chat", "responses", "embeddings"),
    "openai_compatible": ("chat", "embeddings"),
}
"""The endpoints that each kind of provider has, unless `endpoints` is set."""


class CredentialConfig(Section):
    """One account at a provider, with its key or the place of its key."""

    name: str = Field(pattern=_NAME)
    """The name that logs and metrics show."""
    api_key: MaybeReference | None = None
    """The place of the key, such as `file:PATH`, or the key itself."""
    api_key_env: str | None = None
    """The environment variable that holds the key; the same as `api_key = "env:NAME"`."""
    api_key_file: Path | None = None
    """The file that holds the key; the same as `api_key = "file:PATH"`."""
    organization: str | None = None
    """Sent as `OpenAI-Organization`."""
    project: str | None = None
    """Sent as `OpenAI-Project`."""
    rpm: int | None = Field(default=None, ge=1)
    """Requests per minute for each model; learned from the answers if not set."""
    tpm: int | None = Field(default=None, ge=1)
    """Tokens per minute for each model; learned from the answers if not set."""

    @model_validator(mode="after")
    def _check_one_key(self) -> "CredentialConfig":
        key_sources = [self.api_key, self.api_key_env, self.api_key_file]
        if sum(source is not None for source in key_sources) != 1:
            raise ValueError(f"the credential {self.name} needs one of api_key, api_key_env and api_key_file")
        return self

    @property
    def configured_key(self) -> SecretStr:
        """The key, or the reference to it."""
        if self.api_key is not None:
            return self.api_key
        return SecretStr(f"env:{self.api_key_env}" if self.api_key_env is not None else f"file:{self.api_key_file}")


class ParameterRuleConfig(Section):
    """What is done with parameters that some of a provider's models do not support."""

    models: list[str] = Field(default=["*"], min_length=1)
    """Names or patterns (`o3*`) of the provider's models."""
    endpoints: list[EndpointLabel] = Field(default_factory=list)
    """The endpoints to which the rule applies; empty for all."""
    rename: dict[str, str] = Field(default_factory=dict)
    """Parameters that have another name at the provider."""
    drop: list[str] = Field(default_factory=list)
    """Parameters that are removed; `x-tidegate-adapted` names them."""
    refuse: list[str] = Field(default_factory=list)
    """Parameters with which a request is not sent to the provider."""
    defaults: dict[str, str | int | float | bool] = Field(default_factory=dict)
    """Values of parameters that the caller did not set."""

    @model_validator(mode="after")
    def _check_parameters(self) -> "ParameterRuleConfig":
        parameters = {*self.rename, *self.rename.values(), *self.drop, *self.refuse, *self.defaults}
        if fixed := sorted(parameters & {"model", "stream", "messages", "input"}):
            raise ValueError(f"no rule may touch {', '.join(fixed)}")
        return self


class ProviderConfig(Section):
    """An LLM provider. Options that are not set default to those of `[upstream]`."""

    kind: ProviderKind
    """OpenAI, an Azure OpenAI resource, or a server with an OpenAI-compatible API."""
    base_url: str | None = None
    """The provider's address; for Azure the resource's address without a path."""
    credentials: list[CredentialConfig] = Field(default_factory=list)
    """The accounts, in the order to try."""
    endpoints: list[EndpointLabel] | None = None
    """The endpoints that the provider has; None for those of its kind."""
    reasoning_field: str | None = Field(default=None, pattern=r"^[a-z_]{1,64}$")
    """The field in which a chat-only provider accepts earlier reasoning (`reasoning_content`); None for no field."""
    api_version: str | None = None
    """Azure's `api-version`."""
    api_surface: Literal["deployments", "v1"] = "deployments"
    """Azure's addresses: one for each deployment, or OpenAI's own below `/openai/v1`."""
    deployments: dict[str, str] = Field(default_factory=dict)
    """Azure's deployment for each model; a model that is not listed is its own deployment."""
    rules: list[ParameterRuleConfig] = Field(default_factory=list)
    """Rules for parameters that its models do not support; all that match apply, in this order."""
    connect_seconds: float | None = Field(default=None, gt=0)
    """Timeout for making a connection."""
    first_byte_seconds: float | None = Field(default=None, gt=0)
    """Timeout from the request to the first content of its answer; comments and empty frames do not end it."""
    idle_seconds: float | None = Field(default=None, gt=0)
    """Maximum silence within an answer."""
    total_seconds: float | None = Field(default=None, gt=0)
    """Timeout for a whole call."""
    cancels: Cancels | None = None
    """Which answers the provider stops writing when the connection is cut; it charges for the whole of the others."""
    stop_seconds: float | None = Field(default=None, ge=0, le=60)
    """How long the provider writes on, at most, after the connection was cut."""
    allow_short_timeouts: bool = False
    """Whether timeouts below 60 s are accepted."""
    max_answer_bytes: int | None = Field(default=None, ge=1024)
    """Maximum size of an answer."""
    ca_file: Path | None = None
    """A PEM file of authorities that are trusted besides the system's."""

    @model_validator(mode="after")
    def _check(self) -> "ProviderConfig":
        names = [credential.name for credential in self.credentials]
        if duplicates := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"there are two credentials named {', '.join(duplicates)}; each needs a name of its own")
        _check_address(self.kind, self.base_url)
        if self.kind != "azure" and (self.deployments or self.api_version):
            raise ValueError('only kind = "azure" has deployments and an api_version')
        if self.kind == "azure" and self.api_surface == "deployments" and not self.api_version:
            raise ValueError('api_version must be set (such as "2024-10-21"), unless api_surface = "v1"')
        if self.kind == "azure" and not self.credentials:
            raise ValueError("credentials must name at least one key")
        timeouts = (self.first_byte_seconds, self.total_seconds)
        check_timeouts([timeout for timeout in timeouts if timeout is not None], allow_short=self.allow_short_timeouts)
        return self

    def with_defaults(self, upstream: UpstreamConfig) -> "ProviderConfig":
        """Return the provider with all options set: timeouts from `[upstream]`, endpoints from its kind."""
        inherited = {name: getattr(upstream, name) for name in _INHERITED if getattr(self, name) is None}
        return self.model_copy(update={**inherited, "endpoints": self.endpoints or list(_ENDPOINTS[self.kind])})


_INHERITED = (
    "connect_seconds",
    "first_byte_seconds",
    "idle_seconds",
    "total_seconds",
    "cancels",
    "stop_seconds",
    "max_answer_bytes",
    "ca_file",
)


def _check_address(kind: ProviderKind, base_url: str | None) -> None:
    if base_url is None:
        if kind != "openai":
            raise ValueError("base_url must be set to the provider's address")
        return
    parts = urlsplit(base_url)
    if parts.scheme not in ("http", "https") or not parts.netloc:
        raise ValueError("base_url must be an address that begins with https:// or http://")
    if kind == "azure" and parts.path.strip("/"):
        raise ValueError("base_url must be the resource's address without a path, https://NAME.openai.azure.com")


def all_providers(configured: dict[str, ProviderConfig], upstream: UpstreamConfig) -> dict[str, ProviderConfig]:
    """Return all providers with all options set.

    `[upstream]` is the provider `openai`; if a provider of that name is configured, it fills in what is not set there.
    """
    providers = {OPENAI_PROVIDER: ProviderConfig(kind="openai", base_url=upstream.base_url), **configured}
    openai = providers[OPENAI_PROVIDER]
    if not openai.credentials and upstream.api_key is not None and openai.kind == "openai":
        openai = openai.model_copy(update={"credentials": [_default_credential(upstream)]})
    if openai.base_url is None:
        openai = openai.model_copy(update={"base_url": upstream.base_url})
    providers[OPENAI_PROVIDER] = openai
    for name, provider in providers.items():
        if provider.base_url is None:
            providers[name] = provider.model_copy(update={"base_url": UpstreamConfig().base_url})
    return {name: provider.with_defaults(upstream) for name, provider in providers.items()}


def _default_credential(upstream: UpstreamConfig) -> CredentialConfig:
    return CredentialConfig(
        name=DEFAULT_CREDENTIAL,
        api_key=upstream.api_key,
        organization=upstream.organization,
        project=upstream.project,
        rpm=upstream.rpm,
        tpm=upstream.tpm,
    )
