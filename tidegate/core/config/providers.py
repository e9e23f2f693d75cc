"""Who answers calls: providers, the credentials for them, and what their models do not take."""

from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, SecretStr, StringConstraints, model_validator

from tidegate.core import endpoints
from tidegate.core.config.section import Section
from tidegate.core.config.upstream import UpstreamConfig, check_timeouts

OPENAI_PROVIDER = "openai"
"""The provider that `[upstream]` describes, and that answers where no route says otherwise."""

DEFAULT_CREDENTIAL = "default"
"""The name of the one credential of `[upstream]`."""

ProviderKind = Literal["openai", "azure", "compatible"]


def _known_endpoint(label: str) -> str:
    if label not in endpoints.BY_LABEL:
        raise ValueError(f"there is no endpoint `{label}`; there are {', '.join(endpoints.BY_LABEL)}")
    return label


EndpointLabel = Annotated[str, AfterValidator(_known_endpoint)]
_NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"
ProviderName = Annotated[str, StringConstraints(pattern=_NAME)]
"""It is the first part of the names of targets and lanes."""

_SPEAKS: dict[str, tuple[EndpointLabel, ...]] = {
    "openai": ("chat", "responses", "embeddings", "moderations"),
    "azure": ("chat", "responses", "embeddings"),
    "compatible": ("chat", "embeddings"),
}


class CredentialConfig(Section):
    """One account at a provider. Its key is given here, or by where it is found."""

    name: str = Field(pattern=_NAME)
    api_key: SecretStr | None = None
    api_key_env: str | None = None
    """The environment variable that holds the key."""
    api_key_file: Path | None = None
    """The file that holds the key."""
    organization: str | None = None
    project: str | None = None
    rpm: int | None = Field(default=None, ge=1)
    """Requests per minute for each model; learnt from the answers if not set."""
    tpm: int | None = Field(default=None, ge=1)
    """Tokens per minute for each model; learnt from the answers if not set."""

    @model_validator(mode="after")
    def _refuse_two_keys(self) -> "CredentialConfig":
        ways = [self.api_key, self.api_key_env, self.api_key_file]
        if sum(way is not None for way in ways) != 1:
            raise ValueError(f"the credential {self.name} needs one of api_key, api_key_env and api_key_file")
        return self


class ParameterRuleConfig(Section):
    """What some models of a provider do not take, and what is done about it."""

    models: list[str] = Field(default=["*"], min_length=1)
    """Names or patterns (`o3*`) of the provider's models."""
    endpoints: list[EndpointLabel] = Field(default_factory=list)
    """Empty for all."""
    rename: dict[str, str] = Field(default_factory=dict)
    """Parameters that have another name there."""
    drop: list[str] = Field(default_factory=list)
    """Parameters that are left out; the caller is told."""
    refuse: list[str] = Field(default_factory=list)
    """Parameters with which the call cannot be answered there."""
    defaults: dict[str, str | int | float | bool] = Field(default_factory=dict)
    """What is sent where the caller said nothing."""

    @model_validator(mode="after")
    def _refuse_the_model(self) -> "ParameterRuleConfig":
        named = {*self.rename, *self.rename.values(), *self.drop, *self.refuse, *self.defaults}
        if fixed := sorted(named & {"model", "stream", "messages", "input"}):
            raise ValueError(f"no rule may touch {', '.join(fixed)}")
        return self


class ProviderConfig(Section):
    """Somebody who answers calls. What is not said here is as `[upstream]` says."""

    kind: ProviderKind
    base_url: str | None = None
    """Where it is: for Azure the resource's address, without a path."""
    credentials: list[CredentialConfig] = Field(default_factory=list)
    """In the order to try."""
    endpoints: list[EndpointLabel] | None = None
    """What it answers; None for what its kind does."""
    reasoning_field: str | None = Field(default=None, pattern=r"^[a-z_]{1,64}$")
    """Where a provider that only speaks chat wants reasoning back (`reasoning_content`); None for nowhere."""
    api_version: str | None = None
    """Azure's `api-version`."""
    api_surface: Literal["deployments", "v1"] = "deployments"
    """Azure's addresses: one for each deployment, or OpenAI's own below `/openai/v1`."""
    deployments: dict[str, str] = Field(default_factory=dict)
    """Azure's deployment for each model; a model that is not here is its own deployment."""
    rules: list[ParameterRuleConfig] = Field(default_factory=list)
    """What its models do not take; all that fit apply, in this order."""
    connect_seconds: float | None = Field(default=None, gt=0)
    first_byte_seconds: float | None = Field(default=None, gt=0)
    idle_seconds: float | None = Field(default=None, gt=0)
    total_seconds: float | None = Field(default=None, gt=0)
    allow_short_timeouts: bool = False
    max_answer_bytes: int | None = Field(default=None, ge=1024)
    ca_file: Path | None = None
    """A PEM file trusted besides the system's authorities."""

    @model_validator(mode="after")
    def _refuse_what_cannot_be(self) -> "ProviderConfig":
        names = [credential.name for credential in self.credentials]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"there are two credentials named {', '.join(twice)}; each needs a name of its own")
        _refuse_address(self.kind, self.base_url)
        if self.kind != "azure" and (self.deployments or self.api_version):
            raise ValueError('only kind = "azure" has deployments and an api_version')
        if self.kind == "azure" and self.api_surface == "deployments" and not self.api_version:
            raise ValueError('api_version must be set (such as "2024-10-21"), unless surface = "v1"')
        if self.kind == "azure" and not self.credentials:
            raise ValueError("credentials must name at least one key")
        clocks = (self.first_byte_seconds, self.total_seconds)
        check_timeouts([clock for clock in clocks if clock is not None], allowed=self.allow_short_timeouts)
        return self

    def with_defaults(self, upstream: UpstreamConfig) -> "ProviderConfig":
        """With everything said: clocks as `[upstream]` has them, routes as its kind speaks them."""
        said = {name: getattr(upstream, name) for name in _SHARED if getattr(self, name) is None}
        return self.model_copy(update={**said, "endpoints": self.endpoints or list(_SPEAKS[self.kind])})


_SHARED = ("connect_seconds", "first_byte_seconds", "idle_seconds", "total_seconds", "max_answer_bytes", "ca_file")


def _refuse_address(kind: ProviderKind, base_url: str | None) -> None:
    if base_url is None:
        if kind != "openai":
            raise ValueError("base_url must say where it is")
        return
    parts = urlsplit(base_url)
    if parts.scheme not in ("http", "https") or not parts.netloc:
        raise ValueError("base_url must be an address that begins with https:// or http://")
    if kind == "azure" and parts.path.strip("/"):
        raise ValueError("base_url must be the resource's address without a path, https://NAME.openai.azure.com")


def all_providers(given: dict[str, ProviderConfig], upstream: UpstreamConfig) -> dict[str, ProviderConfig]:
    """All providers with everything said; `[upstream]` is the provider `openai`, and completes one of that name."""
    own = ProviderConfig(kind="openai", base_url=upstream.base_url)
    providers = {OPENAI_PROVIDER: own, **given}
    mine = providers[OPENAI_PROVIDER]
    if not mine.credentials and upstream.api_key is not None and mine.kind == "openai":
        mine = mine.model_copy(update={"credentials": [_default_credential(upstream)]})
    if mine.base_url is None:
        mine = mine.model_copy(update={"base_url": upstream.base_url})
    providers[OPENAI_PROVIDER] = mine
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
