"""Sends a reply at its pace, and breaks it off as the fault demands."""

import asyncio
from collections.abc import Sequence

import msgspec

from tidegate.core.errors import ClientDisconnected
from tidegate.simulator.answers.reply import Json, SimulatedReply
from tidegate.simulator.billing.bill import BilledCall
from tidegate.simulator.billing.meter import Meter
from tidegate.simulator.exchange import SimulatedExchange
from tidegate.simulator.faults import MID_STREAM, REFUSED_WITH_200, Fault, context_length, refused_prompt, server_error
from tidegate.simulator.odd_shapes import body_in_shape, events_in_shape
from tidegate.simulator.options import RequestBehavior
from tidegate.simulator.refusal import Refusal
from tidegate.wire import sse

EVENT_STREAM = "text/event-stream; charset=utf-8"
_CUT_JSON = b'{"id": "chatcmpl-'


async def strike(exchange: SimulatedExchange, call: BilledCall, how: RequestBehavior) -> bool:
    """Let time pass; return whether a fault ended the exchange before any answer."""
    await exchange.pause(how.latency)
    if how.fault is Fault.TIMEOUT:
        await exchange.wait_for_disconnect()
    if how.fault is not Fault.CONNECTION:
        return False
    call.end = "broken"
    await exchange.reset()
    return True


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
    if fault in REFUSED_WITH_200:
        meter.clear_input()
        refusal = refused_prompt(manners.error_code)
        body = _refused_response(reply, refusal) if reply.body.get("object") == "response" else {"error": refusal.error}
        await exchange.send_json(body)
        return "refused"
    await _write_whole(exchange, reply, manners, meter)
    body = {key: value for key, value in reply.body.items() if fault is not Fault.MISSING_USAGE or key != "usage"}
    data = msgspec.json.encode(body_in_shape(body, fault))
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
        if seconds:
            await exchange.pause_until(begun + seconds)
        else:
            await exchange.pause(manners.ttft)
    except ClientDisconnected:
        stopped = clock.time() + manners.stop_seconds
        meter.count_share(max(0.0, stopped - begun) / seconds if seconds else 0.0)
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
    events = events_in_shape(events, fault)
    await exchange.begin(200, "text/plain; charset=utf-8" if fault is Fault.PLAIN_TEXT_STREAM else EVENT_STREAM)
    breaking = fault in MID_STREAM or fault in REFUSED_WITH_200 or fault is Fault.PREFLIGHT_FAILURE_IN_STREAM
    sent = events[: _break_point(events, fault)] if breaking else events
    clock = asyncio.get_running_loop()
    due = clock.time() + manners.ttft
    for number, event in enumerate(sent):
        seconds = _writing_seconds(event, manners) if number else 0.0
        due += seconds  # however late the one before was: the pace is kept
        try:
            await (exchange.pause_until(due) if seconds else exchange.pause(0.0 if number else manners.ttft))
        except ClientDisconnected:
            _write_unread(sent[number:], manners, meter, seconds=clock.time() + manners.stop_seconds - due)
            raise
        if fault is Fault.MALFORMED and number == len(sent) // 2:
            await exchange.write(sse.encode(_CUT_JSON))
        meter.count_event(event)
        await exchange.write(_encoded(event, reply))
    if breaking:
        if await _send_stream_error(exchange, reply, manners, len(sent)) and not meter.has_output:
            meter.clear_input()
        return await _break_off(exchange, fault or Fault.TRUNCATED_CLEAN)
    meter.count_share()
    await exchange.write(b"" if reply.named_events else sse.DONE, last=True)
    return "served"


def _write_unread(events: Sequence[Json], manners: RequestBehavior, meter: Meter, *, seconds: float) -> None:
    """Charge what is still written in `seconds` after the client has left; the first event is due at their begin."""
    for event in events:
        if seconds < 0 or not manners.stop_seconds:
            return
        meter.count_event(event)
        seconds -= _writing_seconds(event, manners)


def _writing_seconds(event: Json, behavior: RequestBehavior) -> float:
    return 1 / behavior.tps if behavior.tps and _is_token(event) else 0.0


def _break_point(events: Sequence[Json], fault: Fault | None) -> int:
    first = (Fault.PREFLIGHT_FAILURE_IN_STREAM, Fault.REFUSED_IN_ANSWER)
    return 1 if fault in first else max(1, len(events) // 2)


async def _send_stream_error(
    exchange: SimulatedExchange, reply: SimulatedReply, behavior: RequestBehavior, number: int
) -> bool:
    """Send the error event of a fault; return whether the fault has one."""
    fault, refusal = behavior.fault, None
    if fault is Fault.ERROR_IN_STREAM:
        refusal = server_error()
    elif fault is Fault.PREFLIGHT_FAILURE_IN_STREAM:
        refusal = context_length(exchange.path)
    elif fault in REFUSED_WITH_200:
        refusal = refused_prompt(behavior.error_code)
    if refusal is None:
        return False
    if reply.named_events and fault in REFUSED_WITH_200:
        ended = {"type": "response.failed", "response": _refused_response(reply, refusal), "sequence_number": number}
        await exchange.write(sse.encode(msgspec.json.encode(ended), "response.failed"))
    elif reply.named_events:
        report = {"type": "error", "error": refusal.error, "sequence_number": number}
        await exchange.write(sse.encode(msgspec.json.encode(report), "error"))
    else:
        await exchange.write(sse.encode(refusal.body))
    return True


def _refused_response(reply: SimulatedReply, refusal: Refusal) -> Json:
    """Return the Response with the status `failed`, whose error has only a code and a message."""
    error = {"code": refusal.error["code"], "message": refusal.error["message"]}
    return {**reply.body, "status": "failed", "error": error, "output": [], "usage": None, "completed_at": None}


def _encoded(event: Json, reply: SimulatedReply) -> bytes:
    return sse.encode(msgspec.json.encode(event), event["type"] if reply.named_events else None)


def _is_token(event: Json) -> bool:
    """Return whether the event carries a part of the answer, and not only its frame."""
    if "type" in event:
        return str(event["type"]).endswith(".delta")
    return any(
        choice["delta"] and "role" not in choice["delta"] if "delta" in choice else choice["text"]
        for choice in event["choices"]
    )


def _without_usage(events: list[Json]) -> list[Json]:
    kept = [event for event in events if "type" in event or event["choices"]]
    return [{**event, "response": {**event["response"], "usage": None}} if "response" in event else event
            for event in kept]  # fmt: skip
