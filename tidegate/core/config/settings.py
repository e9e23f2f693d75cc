"""The whole configuration. Docs: `docs/reference/configuration.md`."""

import os
from pathlib import Path
from typing import ClassVar

from pydantic import Field
from pydantic_settings import (
    BaseSettings,
    InitSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from tidegate.core.config.environment import honoured_values
from tidegate.core.config.secret_reference import MaybeReference
from tidegate.core.config.sections.alerts import AlertsConfig
from tidegate.core.config.sections.auth import AuthConfig
from tidegate.core.config.sections.background import BackgroundConfig
from tidegate.core.config.sections.breaker import BreakerConfig
from tidegate.core.config.sections.budgets import BudgetsConfig
from tidegate.core.config.sections.cache import CacheConfig
from tidegate.core.config.sections.call_log import CallLogConfig
from tidegate.core.config.sections.dashboard import DashboardConfig
from tidegate.core.config.sections.database import DatabaseConfig
from tidegate.core.config.sections.metering import MeteringConfig
from tidegate.core.config.sections.metrics import MetricsConfig
from tidegate.core.config.sections.models import ModelsConfig
from tidegate.core.config.sections.monitoring import MonitoringConfig
from tidegate.core.config.sections.passthrough import PassthroughConfig
from tidegate.core.config.sections.providers import ProviderConfig, ProviderName, all_providers
from tidegate.core.config.sections.queue import QueueConfig
from tidegate.core.config.sections.realtime import RealtimeConfig
from tidegate.core.config.sections.redis import RedisConfig
from tidegate.core.config.sections.retries import RetriesConfig
from tidegate.core.config.sections.routes import RouteConfig
from tidegate.core.config.sections.secrets import SecretsConfig
from tidegate.core.config.sections.semantic import SemanticConfig
from tidegate.core.config.sections.sentry import SentryConfig
from tidegate.core.config.sections.server import ServerConfig
from tidegate.core.config.sections.tracing import TracingConfig
from tidegate.core.config.sections.upstream import UpstreamConfig
from tidegate.core.config.sections.websocket import WebsocketConfig


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

    database_url: MaybeReference | None = None
    """PostgreSQL's address, or its place, such as `file:PATH`."""
    redis_url: MaybeReference | None = None
    """Redis's address, or its place, such as `file:PATH`."""
    data_dir: Path = Path(".tidegate")
    """The directory for files that the gateway writes."""
    log_level: str = Field(default="info", pattern="^(debug|info|warning|error)$")
    """The lowest level that is logged."""
    server: ServerConfig = ServerConfig()
    auth: AuthConfig = AuthConfig()
    secrets: SecretsConfig = SecretsConfig()
    websocket: WebsocketConfig = WebsocketConfig()
    realtime: RealtimeConfig = RealtimeConfig()
    upstream: UpstreamConfig = UpstreamConfig()
    providers: dict[ProviderName, ProviderConfig] = Field(default_factory=dict)
    routes: dict[str, RouteConfig] = Field(default_factory=dict)
    passthrough: PassthroughConfig = PassthroughConfig()
    cache: CacheConfig = CacheConfig()
    semantic: SemanticConfig = SemanticConfig()
    redis: RedisConfig = RedisConfig()
    database: DatabaseConfig = DatabaseConfig()
    metering: MeteringConfig = MeteringConfig()
    models: ModelsConfig = ModelsConfig()
    budgets: BudgetsConfig = BudgetsConfig()
    queue: QueueConfig = QueueConfig()
    background: BackgroundConfig = BackgroundConfig()
    monitoring: MonitoringConfig = MonitoringConfig()
    dashboard: DashboardConfig = DashboardConfig()
    alerts: AlertsConfig = AlertsConfig()
    sentry: SentryConfig = SentryConfig()
    call_log: CallLogConfig = CallLogConfig()
    metrics: MetricsConfig = MetricsConfig()
    tracing: TracingConfig = TracingConfig()
    breaker: BreakerConfig = BreakerConfig()
    retries: RetriesConfig = RetriesConfig()

    @property
    def spool_dir(self) -> Path:
        """`metering.spool_dir` or its default."""
        return self.metering.spool_dir or self.data_dir / "spool"

    @property
    def all_providers(self) -> dict[str, ProviderConfig]:
        """All providers with all options set, including the one of `[upstream]`."""
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
        """Return the sources by precedence: arguments, our variables, the file, then other programs' variables."""
        others = InitSettingsSource(settings_cls, init_kwargs=honoured_values(os.environ))
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls, cls.toml_file), others
