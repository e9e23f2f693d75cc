"""Sends a reply at its pace, and breaks it off as the fault demands."""

import asyncio
from collections.abc import Sequence

import msgspec

from tidegate.core.errors import ClientDisconnected
from tidegate.simulator.answers.reply import Json, SimulatedReply
from tidegate.simulator.billing.meter import Meter
from tidegate.simulator.exchange import SimulatedExchange
from tidegate.simulator.faults import MID_STREAM, Fault, context_length, server_error
from tidegate.simulator.options import RequestBehavior
from tidegate.simulator.refusal import Refusal
from tidegate.wire import sse

EVENT_STREAM = "text/event-stream; charset=utf-8"
_CUT_JSON = b'{"id": "chatcmpl-'


async def deliver(exchange: SimulatedExchange, reply: SimulatedReply, behavior: RequestBehavior, meter: Meter) -> str:
    """Send the reply; return how it ended: `served` or `broken`.

    Raises ClientDisconnected, and Refusal instead of a reply.
    """
    if reply.events is None:
        return await _deliver_whole(exchange, reply, behavior, meter)
    return await _deliver_stream(exchange, reply, reply.events, behavior, meter)


async def _deliver_whole(
    exchange: SimulatedExchange, reply: SimulatedReply, manners: RequestBehavior, meter: Meter
) -> str:
    fault = manners.fault
    if fault is Fault.ERROR_IN_STREAM:
        raise server_error()
    if fault is Fault.PREFLIGHT_FAILURE_IN_STREAM:
        raise context_length(exchange.path)
    await _write_whole(exchange, reply, manners, meter)
    body = {key: value for key, value in reply.body.items() if fault is not Fault.MISSING_USAGE or key != "usage"}
    data = msgspec.json.encode(body)
    if fault is Fault.MALFORMED:
        data = data[: len(data) // 2]
    length = None if fault is Fault.TRUNCATED_CLEAN else len(data)
    await exchange.begin(200, "application/json", length)
    if fault in MID_STREAM:
        await exchange.write(data[: len(data) // 2])
        return await _break_off(exchange, fault)
    await exchange.write(data, last=True)
    return "served"


async def _write_whole(
    exchange: SimulatedExchange, reply: SimulatedReply, manners: RequestBehavior, meter: Meter
) -> None:
    """Wait as long as writing takes; the part that is written when the client leaves is charged."""
    clock = asyncio.get_running_loop()
    begun = clock.time() + manners.ttft
    seconds = reply.output_tokens / manners.tps if manners.tps else 0.0
    try:
        await exchange.pause(manners.ttft + seconds)
    except ClientDisconnected:
        meter.count_share(max(0.0, clock.time() - begun) / seconds if seconds else 0.0)
        raise
    meter.count_share()


async def _break_off(exchange: SimulatedExchange, fault: Fault) -> str:
    if fault is Fault.STALL:
        await exchange.wait_for_disconnect()
    elif fault is Fault.TRUNCATED:
        await exchange.reset()
    else:
        await exchange.write(b"", last=True)
    return "broken"


async def _deliver_stream(
    exchange: SimulatedExchange, reply: SimulatedReply, events: list[Json], manners: RequestBehavior, meter: Meter
) -> str:
    fault = manners.fault
    if fault is Fault.MISSING_USAGE:
        events = _without_usage(events)
    await exchange.begin(200, EVENT_STREAM)
    await exchange.pause(manners.ttft)
    breaking = fault in MID_STREAM or fault is Fault.PREFLIGHT_FAILURE_IN_STREAM
    sent = events[: _break_point(events, fault)] if breaking else events
    for number, event in enumerate(sent):
        if number and manners.tps and _is_token(event):
            await exchange.pause(1 / manners.tps)
        if fault is Fault.MALFORMED and number == len(sent) // 2:
            await exchange.write(sse.encode(_CUT_JSON))
        meter.count_event(event)
        await exchange.write(_encoded(event, reply))
    if breaking:
        if await _send_stream_error(exchange, reply, fault, len(sent)) and not meter.has_output:
            meter.clear_input()
        return await _break_off(exchange, fault or Fault.TRUNCATED_CLEAN)
    meter.count_share()
    await exchange.write(b"" if reply.named_events else sse.DONE, last=True)
    return "served"


def _break_point(events: Sequence[Json], fault: Fault | None) -> int:
    return 1 if fault is Fault.PREFLIGHT_FAILURE_IN_STREAM else max(1, len(events) // 2)


async def _send_stream_error(
    exchange: SimulatedExchange, reply: SimulatedReply, fault: Fault | None, number: int
) -> bool:
    """Send the error event of a fault; return whether the fault has one."""
    refusal: Refusal | None = None
    if fault is Fault.ERROR_IN_STREAM:
        refusal = server_error()
    elif fault is Fault.PREFLIGHT_FAILURE_IN_STREAM:
        refusal = context_length(exchange.path)
    if refusal is None:
        return False
    if reply.named_events:
        report = {"type": "error", "error": refusal.error, "sequence_number": number}
        await exchange.write(sse.encode(msgspec.json.encode(report), "error"))
    else:
        await exchange.write(sse.encode(refusal.body))
    return True


def _encoded(event: Json, reply: SimulatedReply) -> bytes:
    return sse.encode(msgspec.json.encode(event), event["type"] if reply.named_events else None)


def _is_token(event: Json) -> bool:
    """Return whether the event carries a part of the answer, and not only its frame."""
    if "type" in event:
        return str(event["type"]).endswith(".delta")
    return any(choice["delta"] and "role" not in choice["delta"] for choice in event["choices"])


def _without_usage(events: list[Json]) -> list[Json]:
    kept = [event for event in events if "type" in event or event["choices"]]
    return [{**event, "response": {**event["response"], "usage": None}} if "response" in event else event
            for event in kept]  # fmt: skip
