"""The whole configuration. Docs: `docs/reference/configuration.md`."""

from pathlib import Path
from typing import ClassVar

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, TomlConfigSettingsSource

from tidegate.core.config.calls import BackgroundConfig, ModelsConfig, QueueConfig
from tidegate.core.config.ladder import BreakerConfig, RetriesConfig
from tidegate.core.config.providers import ProviderConfig, ProviderName, all_providers
from tidegate.core.config.routes import RouteConfig
from tidegate.core.config.server import MonitoringConfig, ServerConfig, WebsocketConfig
from tidegate.core.config.spending import BudgetsConfig, MeteringConfig
from tidegate.core.config.stores import CacheConfig, DatabaseConfig, RedisConfig
from tidegate.core.config.upstream import UpstreamConfig


class Settings(BaseSettings):
    """The whole configuration."""

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
    providers: dict[ProviderName, ProviderConfig] = Field(default_factory=dict)
    routes: dict[str, RouteConfig] = Field(default_factory=dict)
    cache: CacheConfig = CacheConfig()
    redis: RedisConfig = RedisConfig()
    database: DatabaseConfig = DatabaseConfig()
    metering: MeteringConfig = MeteringConfig()
    models: ModelsConfig = ModelsConfig()
    budgets: BudgetsConfig = BudgetsConfig()
    queue: QueueConfig = QueueConfig()
    background: BackgroundConfig = BackgroundConfig()
    monitoring: MonitoringConfig = MonitoringConfig()
    breaker: BreakerConfig = BreakerConfig()
    retries: RetriesConfig = RetriesConfig()

    @property
    def all_providers(self) -> dict[str, ProviderConfig]:
        """All providers with everything said, the one of `[upstream]` among them."""
        return all_providers(self.providers, self.upstream)

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
