"""`[server]`: how the gateway listens."""

import re
from typing import Annotated

from pydantic import AfterValidator, Field, model_validator

from tidegate.core.config.platform import DEFAULT_GRACE_SECONDS
from tidegate.core.config.section import Section

_MAX_DRAIN_SECONDS = 5.0
BODY_COPIES = 3
"""A body in memory: as it came, decoded, and encoded for the upstream."""
MESSAGE_COPIES = 4
"""A WebSocket message in memory: as it came, its request, and this decoded and encoded for the upstream."""
_MIN_BODY_MEMORY_BYTES = 192 * 1024 * 1024
_ORIGIN = re.compile(r"\*|null|[a-z][a-z0-9+.-]*://(?:\*\.)?[^/\s*]+")


def _checked_origin(text: str) -> str:
    """Return an origin as browsers send it. Raises ValueError."""
    origin = text.lower()
    if not _ORIGIN.fullmatch(origin):
        raise ValueError(f"{text!r} is no origin: write `https://app.example.com`, without a path, or `*` for all")
    scheme, _, host = origin.partition("://")
    return origin.removesuffix({"http": ":80", "https": ":443"}.get(scheme, "")) if host else origin


Origin = Annotated[str, AfterValidator(_checked_origin)]


class ServerConfig(Section):
    """How the gateway listens."""

    host: str = "127.0.0.1"
    """The address to listen on. A name that has several addresses takes all of them, and `::` takes IPv4 as well."""
    port: int = Field(default=8080, ge=0, le=65535)
    """The port to listen on; 0 for any free one. `PORT` if not set."""
    workers: int = Field(default=1, ge=1, le=256)
    """Number of processes."""
    max_requests: int = Field(default=500_000, ge=0)
    """Requests after which a worker is replaced; 0 never; not applied with one worker."""
    max_requests_jitter: int = Field(default=50_000, ge=0)
    """Maximum of a random number that is added to `max_requests`, so that workers are replaced one by one."""
    grace_seconds: int | None = Field(default=None, ge=1, le=3600)
    """How long requests in progress may take to finish after SIGTERM, with the time of `drain_seconds`. Unset: two
    seconds less than the platform waits by default, so 8 in Docker and on Cloud Run, 28 on Kubernetes, ECS and
    Container Apps; 30 elsewhere."""
    drain_seconds: float | None = Field(default=None, ge=0)
    """How long new requests are still answered after SIGTERM, while `/readyz` says 503 and load balancers turn away.
    Unset: 5, or a third of the grace if that is less."""
    keep_alive_seconds: int = Field(default=75, ge=1)
    """How long an idle connection stays open. Keep it above the load balancer's idle timeout (commonly 60 s)."""
    max_body_bytes: int = Field(default=32 * 1024 * 1024, ge=1024)
    """Maximum size of a request's body."""
    body_seconds: float = Field(default=60.0, gt=0)
    """How long a request's body may take to arrive."""
    body_memory_bytes: int | None = Field(default=None, ge=1024)
    """Maximum of memory that the bodies of requests in progress take in each process; three times their size counts, of
    WebSocket messages four times. One key may take half. Unset: 192 MiB, or six times `max_body_bytes` if more."""
    answer_memory_bytes: int = Field(default=256 * 1024 * 1024, ge=1024)
    """The same for answers of the upstream while they are received and given out; twice their size counts."""
    memory_wait_seconds: float = Field(default=30.0, gt=0)
    """How long a request may wait for that memory; then it is refused and may be retried."""
    send_seconds: float = Field(default=60.0, gt=0)
    """After which a client counts as disconnected that took less than 48 KB of its answer, where as much waited."""
    ping_seconds: float = Field(default=15.0, gt=0)
    """Silence after which a streaming client gets a comment line."""

    cors_origins: tuple[Origin, ...] = ()
    """Origins whose pages may call from a browser, as `https://app.example.com`; also `https://*.example.com`, and `*`
    for all."""

    @model_validator(mode="after")
    def _check_body_memory(self) -> "ServerConfig":
        if self.body_memory_bytes is not None and self.body_memory_bytes < 2 * BODY_COPIES * self.max_body_bytes:
            raise ValueError(
                "body_memory_bytes must be at least six times max_body_bytes, or large bodies would never fit"
            )
        return self

    @property
    def body_memory(self) -> int:
        """`body_memory_bytes` or its default."""
        return self.body_memory_bytes or max(_MIN_BODY_MEMORY_BYTES, 2 * BODY_COPIES * self.max_body_bytes)

    @property
    def grace(self) -> int:
        """`grace_seconds` or its default; on a known platform, `config.load` has set the former."""
        return self.grace_seconds or DEFAULT_GRACE_SECONDS

    @property
    def drain(self) -> float:
        """`drain_seconds` or its default, within the grace."""
        if self.drain_seconds is None:
            return min(_MAX_DRAIN_SECONDS, self.grace / 3)
        return min(self.drain_seconds, self.grace)
