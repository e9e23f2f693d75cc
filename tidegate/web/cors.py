"""Lets pages of other origins call the gateway from a browser (the Fetch standard's CORS). Used by the modules of web.

Keys are sent in a header that pages set themselves, and never by the browser. So no page gains anything from the user
who looks at it, and credentials in the browser's sense (cookies) are not admitted.
"""

import re
from collections.abc import Iterable, Sequence

from tidegate.core.errors import OriginNotAllowed
from tidegate.web.envelope import Headers

EXPOSED = (
    "x-request-id", "x-tidegate-cache", "age", "x-tidegate-served-by", "x-tidegate-adapted",
    "x-tidegate-semantic", "x-tidegate-semantic-score", "x-tidegate-answer-id", "x-tidegate-cost-usd",
    "x-tidegate-queue-ms", "x-tidegate-budget-used", "x-ratelimit-limit-requests", "x-ratelimit-remaining-requests",
    "x-ratelimit-reset-requests", "x-ratelimit-limit-tokens", "x-ratelimit-remaining-tokens",
    "x-ratelimit-reset-tokens", "x-tidegate-error", "x-should-retry", "retry-after", "retry-after-ms", "allow",
)  # fmt: skip
"""The headers of answers that a page may read."""

_ANY = "*"
_METHODS = b"GET, HEAD, POST, PATCH, DELETE"
_PREFLIGHT_SECONDS = b"600"
_NAMES = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+(?:[ \t]*,[ \t]*[!#$%&'*+.^_`|~0-9A-Za-z-]+)*")
_MAX_NAMES_BYTES = 4096
_VARY = (b"vary", b"origin")
_VARY_PREFLIGHT = (b"vary", b"origin, access-control-request-method, access-control-request-headers")


class CrossOrigin:
    """The origins that may call."""

    def __init__(self, origins: Sequence[str]) -> None:
        """`origins` are those of `server.cors_origins`."""
        self._any = _ANY in origins
        self._exact = frozenset(origin.encode() for origin in origins)
        self._hosts = tuple(tuple(origin.encode().split(b"*")) for origin in origins if "://*." in origin)

    def is_allowed(self, origin: bytes) -> bool:
        """Return whether a page of this origin may call."""
        return self._any or origin in self._exact or self._is_below(origin)

    def _is_below(self, origin: bytes) -> bool:
        """Return whether the origin is a subdomain of one that was given as `https://*.example.com`."""
        return any(origin.startswith(start) and origin.endswith(end) for start, end in self._hosts)

    def preflight(self, headers: Iterable[tuple[bytes, bytes]]) -> Headers:
        """Return the headers of the answer to a preflight. Raises OriginNotAllowed."""
        values = dict(headers)
        origin = values[b"origin"]
        self.check(origin)
        answer = [
            self._allow(origin),
            _VARY_PREFLIGHT,
            (b"access-control-allow-methods", _METHODS),
            (b"access-control-max-age", _PREFLIGHT_SECONDS),
        ]
        names = values.get(b"access-control-request-headers", b"").strip()
        if len(names) <= _MAX_NAMES_BYTES and _NAMES.fullmatch(names):
            # the SDKs send names of their own, and more with each version
            answer.append((b"access-control-allow-headers", names))
        return answer

    def check(self, origin: bytes | None) -> None:
        """Raise OriginNotAllowed for a page of another origin; programs send no origin."""
        if origin is not None and not self.is_allowed(origin):
            shown = origin[:200].decode("ascii", "replace")
            raise OriginNotAllowed(
                f"The request was refused: pages of the origin {shown} may not call this gateway. "
                "Add it to `server.cors_origins`."
            )

    def headers_for(self, origin: bytes | None) -> Headers:
        """Return the headers of an answer to a request of this origin, by which the browser gives it to the page."""
        added: Headers = [_VARY]
        if origin is not None and self.is_allowed(origin):
            added += [self._allow(origin), (b"access-control-expose-headers", ", ".join(EXPOSED).encode())]
        return added

    def _allow(self, origin: bytes) -> tuple[bytes, bytes]:
        return b"access-control-allow-origin", b"*" if self._any else origin


def origin_of(headers: Iterable[tuple[bytes, bytes]]) -> bytes | None:
    """Return the origin of the page that sends a request; None for a program."""
    return next((value for name, value in headers if name == b"origin"), None)


def is_preflight(headers: Iterable[tuple[bytes, bytes]]) -> bool:
    """Return whether an OPTIONS request is the question that a browser asks before a request."""
    return {b"origin", b"access-control-request-method"} <= {name for name, _ in headers}
