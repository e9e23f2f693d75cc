"""`[websocket]`: `/v1/responses` as a WebSocket."""

from pydantic import Field

from tidegate.core.config.section import Section


class WebsocketConfig(Section):
    """`/v1/responses` as a WebSocket."""

    max_connections: int = Field(default=1000, ge=1)
    """Maximum of connections of one process."""
    max_connections_per_key: int = Field(default=250, ge=1)
    """Maximum of connections that one key may have at one process."""
    max_age_seconds: float = Field(default=3600.0, gt=0)
    """Maximum age of a connection; OpenAI's is 60 minutes."""
    idle_seconds: float = Field(default=900.0, gt=0)
    """Silence after which a connection without a response in progress is closed."""
    ping_seconds: float = Field(default=20.0, gt=0)
    """Time between two pings; a client that does not answer within `server.send_seconds` counts as disconnected."""
    max_active_responses: int = Field(default=16, ge=1)
    """Maximum of responses in progress on one connection."""
    max_unstored_bytes: int = Field(default=256 * 1024 * 1024, ge=4096)
    """Memory of one process for responses that are not stored; one connection may use a quarter of it."""
