"""How the gateway listens."""

from pathlib import Path

from pydantic import Field

from tidegate.core.config.section import Section


class ServerConfig(Section):
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


class WebsocketConfig(Section):
    """`/v1/responses` as a WebSocket."""

    max_connections: int = Field(default=1000, ge=1)
    """Connections of one process."""
    max_connections_per_key: int = Field(default=250, ge=1)
    """Connections of one process that one key may have."""
    max_age_seconds: float = Field(default=3600.0, gt=0)
    """How old a connection may get; OpenAI's become 60 minutes old."""
    idle_seconds: float = Field(default=900.0, gt=0)
    """Silence after which a connection is closed on which nothing is being answered."""
    ping_seconds: float = Field(default=20.0, gt=0)
    """Between two pings; a client that leaves one unanswered for `server.send_seconds` counts as gone."""
    max_active_responses: int = Field(default=16, ge=1)
    """Responses that one connection may be given side by side."""
    max_unstored_bytes: int = Field(default=256 * 1024 * 1024, ge=4096)
    """What a process's connections remember of responses that are not stored; one may have a quarter of it."""


class MonitoringConfig(Section):
    """What is shown to those who watch."""

    public_metrics: bool = False
    """`/metrics` answers without an admin key; for networks that only the scraper can reach."""
    workers_dir: Path | None = None
    """Where the workers of one gateway tell each other their figures; `tidegate serve --workers` makes one."""
