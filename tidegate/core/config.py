"""Configuration: parsed once at start, from `tidegate.toml` and the environment; unknown keys are refused.

Environment variables win over the file. `TIDEGATE_DATABASE_URL`, `TIDEGATE_REDIS_URL` and
`OPENAI_API_KEY` stand alone; every other key is `TIDEGATE_<SECTION>__<KEY>`.
"""

import difflib
import os
import tomllib
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, model_validator
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
    TomlConfigSettingsSource,
)

from tidegate.core.money import nanos_of_decimal
from tidegate.core.values import Limits

SHORTEST_SAFE_FIRST_BYTE = 60.0
"""Seconds; OpenAI takes 45 s and more to answer, so a shorter clock cuts answers that are alive."""


class ConfigError(Exception):
    """The configuration cannot be used; the message names the key, the reason and the remedy."""


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class ServerConfig(_Section):
    """How the gateway listens."""

    host: str = "127.0.0.1"
    port: int = Field(default=8080, ge=0, le=65535)
    workers: int = Field(default=1, ge=1, le=256)
    max_requests: int = Field(default=500_000, ge=0)
    """Requests after which a worker is replaced; 0 never; not applied with one worker."""
    max_requests_jitter: int = Field(default=50_000, ge=0)
    grace_seconds: int = Field(default=30, ge=1, le=3600)
    """How long running answers may finish after SIGTERM."""
    keep_alive_seconds: int = Field(default=75, ge=1)
    """Longer than a load balancer's idle timeout (60 s is common), else its clients see 502."""
    max_body_bytes: int = Field(default=32 * 1024 * 1024, ge=1024)
    body_seconds: float = Field(default=60.0, gt=0)
    """How long a request's body may take to arrive."""
    send_seconds: float = Field(default=60.0, gt=0)
    """How long a client may refuse to read before it counts as gone."""
    ping_seconds: float = Field(default=15.0, gt=0)
    """Silence after which a streaming client gets a comment line."""


class WebsocketConfig(_Section):
    """`/v1/responses` as a WebSocket."""

    max_connections: int = Field(default=1000, ge=1)
    """Connections of one process."""
    max_seconds: float = Field(default=3600.0, gt=0)
    """How old a connection may get; OpenAI's become 60 minutes old."""
    idle_seconds: float = Field(default=900.0, gt=0)
    """Silence after which a connection is closed on which nothing is being answered."""
    ping_seconds: float = Field(default=20.0, gt=0)
    """Between two pings; a client that leaves one unanswered for as long counts as gone."""
    max_active: int = Field(default=16, ge=1)
    """Responses that one connection may be given side by side."""
    remembered_bytes: int = Field(default=64 * 1024 * 1024, ge=1024)
    """What one connection remembers of responses that are not stored."""


class UpstreamConfig(_Section):
    """Where OpenAI is and how long it may take."""

    base_url: str = "https://api.openai.com/v1"
    api_key: SecretStr | None = None
    organization: str | None = None
    project: str | None = None
    connect_seconds: float = Field(default=5.0, gt=0)
    first_byte_seconds: float = Field(default=180.0, gt=0)
    idle_seconds: float = Field(default=60.0, gt=0)
    total_seconds: float = Field(default=600.0, gt=0)
    allow_short_timeouts: bool = False
    max_connections: int = Field(default=1000, ge=1)
    max_answer_bytes: int = Field(default=64 * 1024 * 1024, ge=1024)
    forward_headers: tuple[str, ...] = ("openai-*", "idempotency-key", "x-client-request-id")
    """Patterns of the caller's headers that go upstream; all others stay here."""
    ca_file: Path | None = None
    """A PEM file trusted besides the system's authorities."""
    rpm: int | None = Field(default=None, ge=1)
    """Requests per minute that the upstream takes, for each model; learnt from its answers if not set."""
    tpm: int | None = Field(default=None, ge=1)
    """Tokens per minute that the upstream takes, for each model; learnt from its answers if not set."""

    @model_validator(mode="after")
    def _refuse_short_clocks(self) -> "UpstreamConfig":
        short = min(self.first_byte_seconds, self.total_seconds)
        if short < SHORTEST_SAFE_FIRST_BYTE and not self.allow_short_timeouts:
            raise ValueError(
                f"a limit of {short:g} s cuts off slow answers (OpenAI takes 45 s and more); use at least "
                f"{SHORTEST_SAFE_FIRST_BYTE:g} s for first_byte_seconds and total_seconds, "
                "or set upstream.allow_short_timeouts = true"
            )
        return self


class CacheConfig(_Section):
    """What is remembered of answers."""

    enabled: bool = True
    ttl_seconds: int = Field(default=3600, ge=1)
    max_answer_bytes: int = Field(default=4 * 1024 * 1024, ge=1024)
    """A larger answer is delivered but not stored."""
    lease_seconds: float = Field(default=5.0, ge=0.5)
    """How long a dead process keeps its flights before a follower takes over."""


class RedisConfig(_Section):
    """How Redis is used."""

    timeout_seconds: float = Field(default=0.25, gt=0)
    """The longest a call waits for Redis before it goes on without."""
    prefix: str = "tidegate"


class DatabaseConfig(_Section):
    """How PostgreSQL is used."""

    pool_size: int = Field(default=10, ge=1, le=20)
    timeout_seconds: float = Field(default=5.0, gt=0)


class ModelPrice(_Section):
    """USD per million tokens."""

    input: Decimal = Field(ge=0)
    cached: Decimal | None = Field(default=None, ge=0)
    output: Decimal = Field(default=Decimal(0), ge=0)


class MeteringConfig(_Section):
    """What tokens cost."""

    prices: dict[str, ModelPrice] = Field(default_factory=dict)
    """Overrides by model name."""
    unknown_model: ModelPrice = ModelPrice(input=Decimal(10), output=Decimal(40))
    """Charged, with a warning, for a model whose price nobody knows; never zero."""
    spool_dir: Path = Path(".tidegate/spool")
    """Where ledger entries wait on disk while Redis is away."""


class ModelsConfig(_Section):
    """Which models callers may name."""

    allowed: list[str] = Field(default_factory=list)
    """Empty allows every model."""


class BudgetsConfig(_Section):
    """What the whole deployment may spend, in USD; projects, keys and end users have budgets of their own."""

    alert_usd_per_day: Decimal = Field(default=Decimal(100), ge=0)
    """Spending more wakes a person, and stops nobody."""
    stop_usd_per_day: Decimal | None = Field(default=None, ge=0)
    """No paid call goes beyond it; not set, there is no stop."""
    stop_usd_per_month: Decimal | None = Field(default=None, ge=0)
    """No paid call goes beyond it; not set, there is no stop."""
    lease_seconds: float = Field(default=30.0, ge=1)
    """Silence of its process after which a call under way is lost, and charged the most it could cost."""
    recount_after_seconds: float = Field(default=3.0, ge=0.5)
    """After Redis lost its memory: how long the processes may take to say what their calls hold."""

    @property
    def everybody(self) -> Limits:
        """The stops, as limits of the whole deployment."""
        return Limits(budget_day=_nanos(self.stop_usd_per_day), budget_month=_nanos(self.stop_usd_per_month))


def _nanos(usd: Decimal | None) -> int | None:
    return None if usd is None else nanos_of_decimal(usd)


class QueueConfig(_Section):
    """How calls wait when the upstream has no room for them."""

    max_waiting: int = Field(default=10_000, ge=0)
    """Calls that may wait for one model; one more is refused."""
    deadline_seconds: float = Field(default=120.0, gt=0)
    """How long a call may wait, unless it says so itself (`x-tidegate-deadline`)."""
    in_flight: int = Field(default=1000, ge=1)
    """Upstream calls at once in one process."""


class Settings(BaseSettings):
    """The whole configuration. Docs: `docs/guide/configuration.md`."""

    model_config = SettingsConfigDict(
        env_prefix="TIDEGATE_",
        env_nested_delimiter="__",
        extra="forbid",
        frozen=True,
        hide_input_in_errors=True,  # an input may be a key
        nested_model_default_partial_update=True,
    )
    toml_file: ClassVar[Path | None] = None

    database_url: SecretStr | None = None
    redis_url: SecretStr | None = None
    data_dir: Path = Path(".tidegate")
    log_level: str = Field(default="info", pattern="^(debug|info|warning|error)$")
    server: ServerConfig = ServerConfig()
    websocket: WebsocketConfig = WebsocketConfig()
    upstream: UpstreamConfig = UpstreamConfig()
    cache: CacheConfig = CacheConfig()
    redis: RedisConfig = RedisConfig()
    database: DatabaseConfig = DatabaseConfig()
    metering: MeteringConfig = MeteringConfig()
    models: ModelsConfig = ModelsConfig()
    budgets: BudgetsConfig = BudgetsConfig()
    queue: QueueConfig = QueueConfig()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003  # the library's signature
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003  # the library's signature
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """What the code was given, then the environment, then the file."""
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls, cls.toml_file)


def load(path: Path | None = None, **given: Any) -> Settings:
    """Read the configuration from `path` (default `tidegate.toml`, where there is one) and the environment.

    Raises ConfigError with a sentence that says which key, why, and what to write instead.
    """
    named = path or os.environ.get("TIDEGATE_CONFIG")
    source = Path(named or "tidegate.toml")
    if named and not source.is_file():
        raise ConfigError(f"There is no configuration file {source}.")

    class FromFile(Settings):
        toml_file = source if source.is_file() else None

    _refuse_unknown_variables(os.environ)
    try:
        settings: Settings = FromFile(**given)
    except ValidationError as error:
        raise ConfigError(_explain(error)) from error
    except SettingsError as error:
        raise ConfigError(f"The environment cannot be read ({error}); lists and sections are JSON there.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{source} is not valid TOML: {error}.") from error
    return _with_openai_key(settings)


def _with_openai_key(settings: Settings) -> Settings:
    key = os.environ.get("OPENAI_API_KEY", "").strip()
    if settings.upstream.api_key is not None or not key:
        return settings
    upstream = settings.upstream.model_copy(update={"api_key": SecretStr(key)})
    return settings.model_copy(update={"upstream": upstream})


def _known_keys(model: type[BaseModel]) -> dict[str, type[BaseModel] | None]:
    keys: dict[str, type[BaseModel] | None] = {}
    for name, field in model.model_fields.items():
        kind = field.annotation
        keys[name] = kind if isinstance(kind, type) and issubclass(kind, BaseModel) else None
    return keys


def _refuse_unknown_variables(environ: Mapping[str, str]) -> None:
    known = {"TIDEGATE_CONFIG"}
    for name, section in _known_keys(Settings).items():
        known.add(f"TIDEGATE_{name}".upper())
        if section is not None:
            known.update(f"TIDEGATE_{name}__{key}".upper() for key in _known_keys(section))
    for variable in environ:
        # a map's or a nested section's own keys follow a further "__"; those are checked by the model
        stem = "__".join(variable.split("__")[:2])
        if variable.startswith("TIDEGATE_") and stem not in known:
            raise ConfigError(f"The environment variable {variable} is no setting of Tidegate.{_nearest(stem, known)}")


def _nearest(wrong: str, known: set[str] | list[str]) -> str:
    close = difflib.get_close_matches(wrong, sorted(known), n=1, cutoff=0.5)
    return f" Did you mean {close[0]}?" if close else f" Known are: {', '.join(sorted(known))}."


def _explain(error: ValidationError) -> str:
    return "\n".join(_explain_one(item["loc"], item["type"], item["msg"]) for item in error.errors(include_input=False))


def _explain_one(location: tuple[int | str, ...], kind: str, message: str) -> str:
    where = ".".join(str(part) for part in location)
    if kind != "extra_forbidden":
        return f"The setting {where} cannot be used: {message.removeprefix('Value error, ')}."
    model: type[BaseModel] | None = Settings
    for part in location[:-1]:
        model = _known_keys(model).get(str(part)) if model else None
    hint = _nearest(str(location[-1]), list(_known_keys(model))) if model else ""
    return f"The setting {where} is unknown.{hint}"
