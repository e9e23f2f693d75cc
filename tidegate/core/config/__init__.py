"""Configuration: parsed once at start, from `tidegate.toml` and the environment; unknown keys are refused.

Environment variables win over the file. `TIDEGATE_DATABASE_URL`, `TIDEGATE_REDIS_URL` and
`OPENAI_API_KEY` stand alone; every other key is `TIDEGATE_<SECTION>__<KEY>`.
"""

from tidegate.core.config.calls import BackgroundConfig, ModelsConfig, QueueConfig
from tidegate.core.config.ladder import BreakerConfig, RetriesConfig
from tidegate.core.config.loading import load
from tidegate.core.config.providers import CredentialConfig, ParameterRuleConfig, ProviderConfig
from tidegate.core.config.routes import FallbackStepsConfig, RouteConfig, TargetConfig
from tidegate.core.config.section import ConfigError
from tidegate.core.config.server import MonitoringConfig, ServerConfig, WebsocketConfig
from tidegate.core.config.settings import Settings
from tidegate.core.config.spending import BudgetsConfig, MeteringConfig, ModelPrice
from tidegate.core.config.stores import CacheConfig, DatabaseConfig, RedisConfig
from tidegate.core.config.upstream import UpstreamConfig

__all__ = [
    "BackgroundConfig",
    "BreakerConfig",
    "BudgetsConfig",
    "CacheConfig",
    "ConfigError",
    "CredentialConfig",
    "DatabaseConfig",
    "FallbackStepsConfig",
    "MeteringConfig",
    "ModelPrice",
    "ModelsConfig",
    "MonitoringConfig",
    "ParameterRuleConfig",
    "ProviderConfig",
    "QueueConfig",
    "RedisConfig",
    "RetriesConfig",
    "RouteConfig",
    "ServerConfig",
    "Settings",
    "TargetConfig",
    "UpstreamConfig",
    "WebsocketConfig",
    "load",
]
