"""One HTTP request to a service that gives tokens or secrets: bounded in time and size, and never redirected."""

from collections.abc import Mapping
from typing import TypeVar

import msgspec

from tidegate.core.config.secret_errors import SecretRefused, SecretSourceUnavailable
from tidegate.core.config.secret_reference import MAX_BYTES
from tidegate.core.process.outbound_http import ExchangeFailed, ServiceAnswer, exchange

DEADLINE_SECONDS = 5.0
"""For the whole exchange, from the look-up of the name to the last byte."""
_MAX_ANSWER_BYTES = 4 * MAX_BYTES
"""A secret of the greatest size, in base64, with what stands around it."""
_NOT_ALLOWED = (400, 401, 403, 404)

_Document = TypeVar("_Document")


def fetch(
    method: str,
    url: str,
    headers: Mapping[str, str],
    body: bytes = b"",
    *,
    deadline_seconds: float = DEADLINE_SECONDS,
) -> ServiceAnswer:
    """Send a request, without a proxy; return the answer. Raises SecretSourceUnavailable."""
    try:
        return exchange(method, url, headers, body, deadline_seconds=deadline_seconds, max_bytes=_MAX_ANSWER_BYTES)
    except ExchangeFailed as error:
        raise SecretSourceUnavailable(str(error)) from error


def decode(answer: ServiceAnswer, kind: type[_Document], service: str) -> _Document:
    """Return the document of a successful answer. Raises SecretRefused or SecretSourceUnavailable."""
    if answer.status in _NOT_ALLOWED:
        raise SecretRefused(f"{service} refused with {answer.status}.")
    if not answer.is_success:
        raise SecretSourceUnavailable(f"{service} answered {answer.status}.")
    try:
        return msgspec.json.decode(answer.body, type=kind, strict=False)  # numbers come as text, too
    except (msgspec.DecodeError, RecursionError) as error:
        raise SecretSourceUnavailable(f"{service} sent a body that is not what it documents.") from error
