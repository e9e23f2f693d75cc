"""What connections are bounded by, and what answers their requests. Used by http_protocol.py."""

from collections.abc import Callable, Coroutine
from typing import Any

import msgspec

from tidegate.web.cors import CrossOrigin
from tidegate.web.exchange import ClientExchange

Answer = Callable[[ClientExchange], Coroutine[Any, Any, None] | None]
"""Returns what answers a request; None for one that the ASGI application answers."""


class ConnectionRules(msgspec.Struct, frozen=True, kw_only=True):
    """The rules of all connections of a server."""

    answer: Answer | None = None
    """What answers requests without ASGI; None if the application answers all."""
    cross_origin: CrossOrigin | None = None
    """The pages that may read answers; None: no page of another origin."""
    head_seconds: float = 30.0
    """From the connection's start, or a request's first byte, to the end of the head."""
    remaining_body_seconds: float = 30.0
    """For the rest of a body whose request was already answered."""
    lingering_seconds: float = 1.0
    """For which a connection stays open after its last answer while the process ends."""
    send_seconds: float = 60.0
    """After which a client that takes no more of its response counts as gone."""
    max_pipelined: int = 32
    """Pipelined requests that may wait."""
