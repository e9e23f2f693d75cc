"""Reads a request's body, bounded in size and time. Used by all HTTP handlers."""

from collections.abc import Mapping

from tidegate.core.errors import BodyTimeout, BodyTooLarge, ClientDisconnected, InvalidParameter
from tidegate.core.interrupt import Interruption
from tidegate.web.inference.disconnect import Receive


async def read_body(receive: Receive, headers: Mapping[str, str], *, max_bytes: int, seconds: float) -> bytes:
    """Return the whole body. Raises BodyTooLarge, SlowBody, ClientGone, or InvalidParameter for a compressed one."""
    content_length = headers.get("content-length", "")
    if content_length.isascii() and content_length.isdigit() and int(content_length) > max_bytes:
        raise _too_large(max_bytes)
    if headers.get("content-encoding", "").strip().lower() not in ("", "identity"):
        raise InvalidParameter("A compressed request body is not supported: send it without Content-Encoding.")
    with Interruption(seconds, lambda: BodyTimeout(f"The request's body did not arrive within {seconds:g} s.")):
        return await _collect(receive, max_bytes)


async def _collect(receive: Receive, max_bytes: int) -> bytes:
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnected
        part = message.get("body", b"")
        size += len(part)
        if size > max_bytes:
            raise _too_large(max_bytes)
        parts.append(part)
        if not message.get("more_body", False):
            return b"".join(parts)


def _too_large(max_bytes: int) -> BodyTooLarge:
    return BodyTooLarge(
        f"The request was not processed: its body is larger than {max_bytes:,} bytes, the limit of this gateway."
    )
