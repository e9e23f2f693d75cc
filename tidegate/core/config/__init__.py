"""Configuration: parsed once at start, from `tidegate.toml` and the environment; unknown keys are refused.

Environment variables take precedence over the file. `TIDEGATE_DATABASE_URL`, `TIDEGATE_REDIS_URL` and
`OPENAI_API_KEY` have names of their own; every other key is `TIDEGATE_<SECTION>__<KEY>`.
"""

from tidegate.core.config.loading import load, with_openai_key
from tidegate.core.config.section import ConfigError
from tidegate.core.config.sections.alerts import AlertsConfig
from tidegate.core.config.sections.background import BackgroundConfig
from tidegate.core.config.sections.breaker import BreakerConfig
from tidegate.core.config.sections.budgets import BudgetsConfig
from tidegate.core.config.sections.cache import CacheConfig
from tidegate.core.config.sections.call_log import CallLogConfig, LineShape
from tidegate.core.config.sections.dashboard import DashboardConfig
from tidegate.core.config.sections.database import DatabaseConfig
from tidegate.core.config.sections.metering import MeteringConfig, ModelPrice
from tidegate.core.config.sections.metrics import MetricsConfig
from tidegate.core.config.sections.models import ModelsConfig
from tidegate.core.config.sections.monitoring import MonitoringConfig
from tidegate.core.config.sections.passthrough import PassthroughConfig
from tidegate.core.config.sections.providers import CredentialConfig, ParameterRuleConfig, ProviderConfig
from tidegate.core.config.sections.queue import QueueConfig
from tidegate.core.config.sections.realtime import RealtimeConfig
from tidegate.core.config.sections.redis import RedisConfig
from tidegate.core.config.sections.retries import RetriesConfig
from tidegate.core.config.sections.routes import FallbackStepsConfig, RouteConfig, TargetConfig
from tidegate.core.config.sections.secrets import SecretsConfig
from tidegate.core.config.sections.semantic import SemanticConfig
from tidegate.core.config.sections.server import BODY_COPIES, MESSAGE_COPIES, ServerConfig
from tidegate.core.config.sections.tracing import TracingConfig
from tidegate.core.config.sections.upstream import UpstreamConfig
from tidegate.core.config.sections.websocket import WebsocketConfig
from tidegate.core.config.settings import Settings

__all__ = [
    "BODY_COPIES",
    "MESSAGE_COPIES",
    "AlertsConfig",
    "BackgroundConfig",
    "BreakerConfig",
    "BudgetsConfig",
    "CacheConfig",
    "CallLogConfig",
    "ConfigError",
    "CredentialConfig",
    "DashboardConfig",
    "DatabaseConfig",
    "FallbackStepsConfig",
    "LineShape",
    "MeteringConfig",
    "MetricsConfig",
    "ModelPrice",
    "ModelsConfig",
    "MonitoringConfig",
    "ParameterRuleConfig",
    "PassthroughConfig",
    "ProviderConfig",
    "QueueConfig",
    "RealtimeConfig",
    "RedisConfig",
    "RetriesConfig",
    "RouteConfig",
    "SecretsConfig",
    "SemanticConfig",
    "ServerConfig",
    "Settings",
    "TargetConfig",
    "TracingConfig",
    "UpstreamConfig",
    "WebsocketConfig",
    "load",
    "with_openai_key",
]
