"""The shapes in which providers send Responses, each with what callers shall receive of it."""

from typing import Any

import msgspec

from tests.gateway.stream_shapes import PARIS, WORDS, Charged, Shape, cut, failed
from tidegate.wire import sse

Json = dict[str, Any]

USAGE: Json = {"input_tokens": 20, "output_tokens": 10, "total_tokens": 30}
PART: Json = {"type": "output_text", "text": WORDS, "annotations": [], "logprobs": []}
MESSAGE: Json = {"type": "message", "id": "msg_1", "role": "assistant", "status": "completed", "content": [PART]}
REASONING: Json = {"type": "reasoning", "id": "rs_1", "summary": []}
SEARCH: Json = {"type": "web_search_call", "id": "ws_1", "status": "completed", "action": {"type": "search"}}
CALL: Json = {
    "type": "function_call", "id": "fc_1", "call_id": "call_a", "name": "weather", "arguments": PARIS,
    "status": "completed",
}  # fmt: skip
HALF_CALL: Json = {**CALL, "name": "", "arguments": ""}
HALF_MESSAGE: Json = {**MESSAGE, "content": [{"type": "output_text"}]}
FAILURE: Json = {"code": "server_error", "message": "The server had an error."}


def document(status: str, output: list[Json], **fields: Any) -> Json:
    """Return a Response."""
    usage = None if status == "in_progress" else USAGE
    told: Json = {"id": "resp_1", "object": "response", "created_at": 1, "model": "m", "status": status, "usage": usage}
    told |= {"error": None, "incomplete_details": None, "parallel_tool_calls": True, "tool_choice": "auto", "tools": []}
    return {**told, "output": output, **fields}


def event(kind: str, number: int, **fields: Any) -> bytes:
    """Return an event."""
    return sse.encode(msgspec.json.encode({"type": kind, "sequence_number": number, **fields}), kind)


def end(status: str, output: list[Json], kind: str = "", **fields: Any) -> bytes:
    """Return the terminal event."""
    return event(f"response.{kind or status}", 9, response=document(status, output, **fields))


PLACE: Json = {"item_id": "msg_1", "output_index": 0, "content_index": 0}
OPEN_ITEM: Json = {**MESSAGE, "status": "in_progress", "content": []}
CREATED = event("response.created", 0, response=document("in_progress", []))
SPOKEN = (
    event("response.output_item.added", 1, output_index=0, item=OPEN_ITEM),
    event("response.content_part.added", 2, **PLACE, part={**PART, "text": ""}),
    event("response.output_text.delta", 3, **PLACE, delta="High tide ", logprobs=[]),
    event("response.output_text.delta", 4, **PLACE, delta="is at noon.", logprobs=[]),
)
ITEM_DONE = event("response.output_item.done", 7, output_index=0, item=MESSAGE)
COMPLETED = end("completed", [MESSAGE])
GOOD = (CREATED, *SPOKEN, ITEM_DONE, COMPLETED)


def spoken(means: str, *pieces: bytes, **fields: Any) -> Shape:
    """Return a shape of the usual words."""
    return Shape(means=means, pieces=pieces, **{"text": WORDS, "reason": "completed", **fields})


def ended(means: str, status: str, output: list[Json], *, stored: bool = False, **fields: Any) -> Shape:
    """Return a shape that is told in its terminal event only; `told` are fields of the Response."""
    told = fields.pop("told", {})
    return Shape(
        means=means, pieces=(CREATED, end(status, output, **told)), **{"reason": status, "stored": stored, **fields}
    )


SHAPES: dict[str, Shape] = {
    "as_openai": spoken("as OpenAI sends it", *GOOD),
    "events_as_text": spoken("events as `text/plain`", *GOOD, kind="text/plain"),
    "whole_as_json": spoken("one body, whether or not a stream was requested",
                            msgspec.json.encode(document("completed", [MESSAGE])), kind="application/json"),
    "in_shreds": spoken("three bytes at a time", *cut(b"".join(GOOD), 3)),
    "unnamed_events": spoken("no `event:` lines", *(b"data: " + (sse.data_of(one) or b"") + b"\n\n" for one in GOOD)),
    "pings": spoken("comments, empty data and pings between events",
                    *(b': ping\n\ndata:\n\nevent: ping\ndata: {"type":"ping"}\n\n' + one for one in GOOD)),
    "marker_after_the_end": spoken("`[DONE]` after the terminal event", *GOOD, sse.DONE),
    "output_left_out": spoken("`output: []` in the terminal event, after items", *GOOD[:-1], end("completed", [])),
    "marker_as_the_end": spoken("`[DONE]` in place of the terminal event", CREATED, *SPOKEN, sse.DONE,
                                reason="incomplete", outcome="unfinished_answer", stored=False,
                                charged=Charged.ESTIMATED),
    "cut_off": failed("no terminal event", CREATED, *SPOKEN, error="truncated_answer", text=WORDS,
                      charged=Charged.ESTIMATED),
    "created_and_marker": failed("a Response that was created, and `[DONE]`", CREATED, sse.DONE,
                                 error="truncated_answer", charged=Charged.ESTIMATED),
    "error_event": failed("an error event first", event("error", 1, **FAILURE, param=None), error="server_error"),
    "cut_at_the_limit": ended("text that was cut at the caller's limit (`max_output_tokens`)", "incomplete", [MESSAGE],
                              stored=True, text=WORDS, told={"incomplete_details": {"reason": "max_output_tokens"}}),
    "nothing_at_the_limit": ended("`max_output_tokens` and no text", "incomplete", [REASONING],
                                  told={"incomplete_details": {"reason": "max_output_tokens"}}),
    "filtered": ended("text that was filtered (`content_filter`)", "incomplete", [MESSAGE], text=WORDS,
                      told={"incomplete_details": {"reason": "content_filter"}}),
    "empty_output": ended("`output: []`, and no item before it", "completed", []),
    "reasoning_only": ended("reasoning and no message", "completed", [REASONING]),
    "search_only": ended("a hosted tool's call and no message", "completed", [SEARCH]),
    "refusal": ended("a refusal", "completed", [{**MESSAGE, "content": [{"type": "refusal", "refusal": "No."}]}]),
    "call": ended("a tool call", "completed", [CALL], stored=True, calls=(("call_a", "weather", PARIS),)),
    "broken_call": ended("a tool call whose arguments are not JSON", "completed", [{**CALL, "arguments": "{"}],
                         calls=(("call_a", "weather", "{"),)),
    "half_call": Shape(
        means="a tool call whose name or arguments stand in earlier events only",
        pieces=(
            CREATED,
            event("response.output_item.added", 1, output_index=0, item={**CALL, "arguments": ""}),
            event("response.function_call_arguments.done", 2, item_id="fc_1", output_index=0, arguments=PARIS),
            event("response.output_item.done", 3, output_index=0, item=HALF_CALL), end("completed", [HALF_CALL]),
        ),
        calls=(("call_a", "weather", PARIS),), reason="completed",
    ),
    "half_message": spoken("text that stands in earlier events only", CREATED, *SPOKEN,
                           event("response.output_item.done", 7, output_index=0, item=HALF_MESSAGE),
                           end("completed", [HALF_MESSAGE])),
    "failed": ended("the status `failed`", "failed", [], told={"error": FAILURE}, outcome="server_error", blamed=True),
}  # fmt: skip
