"""Sends the bytes of a file, or the range of them that was asked for, and breaks them off as the fault demands."""

import re

import msgspec

from tidegate.simulator.exchange import SimulatedExchange
from tidegate.simulator.faults import MID_STREAM, Fault, server_error
from tidegate.simulator.refusal import Refusal

_CHUNK = 256 * 1024
_RANGE = re.compile(r"bytes=(\d*)-(\d*)")


class ByteRange(msgspec.Struct, frozen=True, kw_only=True):
    """The bytes from `start` up to `end`, without `end`."""

    start: int
    end: int


def requested_range(header: str | None, length: int) -> ByteRange | None:
    """Return the one range that a `Range` header names; None for the whole, and for a header that is not understood.

    Raises Refusal, 416, for a range behind the end.
    """
    match = _RANGE.fullmatch((header or "").strip())
    if match is None or match[1] == match[2] == "":
        return None
    if not match[1]:  # the last bytes
        start, end = max(0, length - int(match[2])), length
    else:
        start, end = int(match[1]), min(length, int(match[2] or length) + (match[2] != ""))
    if start >= end:
        raise Refusal(416, "The requested range is not satisfiable.", headers={"content-range": f"bytes */{length}"})
    return ByteRange(start=start, end=end)


async def deliver_content(
    exchange: SimulatedExchange, content: bytes | memoryview, content_type: str, fault: Fault | None
) -> str:
    """Send the bytes; return how it ended: `served` or `broken`. Raises ClientDisconnected, and Refusal."""
    if fault is Fault.ERROR_IN_STREAM:
        raise server_error()
    view = memoryview(content).cast("B")
    wanted = requested_range(exchange.headers.get("range"), len(view))
    exchange.reply_headers["accept-ranges"] = "bytes"
    if wanted is not None:
        exchange.reply_headers["content-range"] = f"bytes {wanted.start}-{wanted.end - 1}/{len(view)}"
        view = view[wanted.start : wanted.end]
    length = None if fault is Fault.TRUNCATED_CLEAN else len(view)
    await exchange.begin(206 if wanted else 200, content_type, length)
    end = len(view) // 2 if fault in MID_STREAM else len(view)
    for start in range(0, end, _CHUNK):
        await exchange.write(bytes(view[start : min(start + _CHUNK, end)]))
    if fault is Fault.STALL:
        await exchange.wait_for_disconnect()
    if fault is Fault.TRUNCATED:
        await exchange.reset()
        return "broken"
    await exchange.write(b"", last=True)
    return "broken" if fault in MID_STREAM else "served"
