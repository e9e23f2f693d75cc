"""`[sentry]`: where unexpected errors go, and what an operator must mend."""

from pydantic import Field

from tidegate.core.config.secret_reference import MaybeReference
from tidegate.core.config.section import Section


class SentryConfig(Section):
    """The project in Sentry that gets unexpected errors and what an operator must mend."""

    dsn: MaybeReference | None = None
    """The project's DSN, or its place, such as `file:PATH`; needs the extra `sentry`. Unset: nothing is sent."""
    environment: str = Field(default="production", pattern=r"^[A-Za-z0-9._-]{1,64}$")
    """The environment that events name."""
