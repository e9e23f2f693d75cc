"""`[server]`: how the gateway listens."""

from pydantic import Field

from tidegate.core.config.section import Section


class ServerConfig(Section):
    """How the gateway listens."""

    host: str = "127.0.0.1"
    """The address to listen on."""
    port: int = Field(default=8080, ge=0, le=65535)
    """The port to listen on; 0 for any free one."""
    workers: int = Field(default=1, ge=1, le=256)
    """Number of processes."""
    max_requests: int = Field(default=500_000, ge=0)
    """Requests after which a worker is replaced; 0 never; not applied with one worker."""
    max_requests_jitter: int = Field(default=50_000, ge=0)
    """Maximum of a random number that is added to `max_requests`, so that workers are replaced one by one."""
    grace_seconds: int = Field(default=30, ge=1, le=3600)
    """How long requests in progress may take to finish after SIGTERM."""
    keep_alive_seconds: int = Field(default=75, ge=1)
    """How long an idle connection stays open. Keep it above the load balancer's idle timeout (commonly 60 s)."""
    max_body_bytes: int = Field(default=32 * 1024 * 1024, ge=1024)
    """Maximum size of a request's body."""
    body_seconds: float = Field(default=60.0, gt=0)
    """How long a request's body may take to arrive."""
    send_seconds: float = Field(default=60.0, gt=0)
    """How long a client may take no byte before it counts as disconnected."""
    ping_seconds: float = Field(default=15.0, gt=0)
    """Silence after which a streaming client gets a comment line."""
