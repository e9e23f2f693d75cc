"""The shapes in which providers send chat answers, each with what callers shall receive of it."""

from enum import Enum
from typing import Any

import msgspec

from tests.faults.scripts import END, EVENTS, chunk
from tests.faults.upstream import ReceivedRequest, Script
from tidegate.wire import sse

Json = dict[str, Any]

USAGE: Json = {"prompt_tokens": 20, "completion_tokens": 10, "total_tokens": 30}
PARIS, ROME = '{"city":"Paris"}', '{"city":"Rome"}'
TWO_CALLS = (("call_a", "weather", PARIS), ("call_b", "tide", ROME))
ONE_CALL = TWO_CALLS[:1]


class Charged(Enum):
    """How an answer is charged."""

    STATED = "as stated"
    ESTIMATED = "estimated"
    NOTHING = "nothing"


class Shape(msgspec.Struct, frozen=True, kw_only=True):
    """One shape: the bytes of the answer, what a caller reads in it, and what becomes of it."""

    means: str
    """What the provider sends, for readers of the page."""
    pieces: tuple[bytes, ...]
    kind: str | None = EVENTS
    """The content type; None for none."""
    text: str = ""
    calls: tuple[tuple[str, str, str], ...] = ()
    """Id, name and arguments of each tool call."""
    reason: str | None = "stop"
    status: str = "completed"
    """The status as a Response."""
    error: str | None = None
    """The code of the error that the caller gets instead of an answer, or after the text."""
    outcome: str = "ok"
    """The outcome in the ledger."""
    stored: bool = True
    blamed: bool = False
    """Whether it is held against the target."""
    charged: Charged = Charged.STATED

    def row(self) -> str:
        """Return the shape's row in the page's table."""
        stored, blamed = ("yes" if value else "no" for value in (self.stored, self.blamed))
        return f"| {self.means} | {self._received()} | `{self.outcome}` | {stored} | {blamed} | {self.charged.value} |"

    def _received(self) -> str:
        """Return what a caller receives, in words."""
        counted = {0: "", 1: "one call", 2: "both calls"}[len(self.calls)]
        answer = counted or ("the text" if self.text.strip() else "")
        if self.error is not None:
            return f"{answer}, then the error" if answer else "an error"
        end = f"`{self.reason}`" if self.reason else "no finish reason"
        status = f", as a Response `{self.status}`" if self.status != "completed" else ""
        return f"{answer or 'no text'}, {end}{status}"

    def play(self, request: ReceivedRequest) -> Script:
        """Answer so, whether or not a stream is wanted."""
        del request
        kind = "x-no-type: 1" if self.kind is None else f"content-type: {self.kind}"
        lines = ["HTTP/1.1 200 OK", kind, "transfer-encoding: chunked", "", ""]
        return ["\r\n".join(lines).encode(), *(chunk(piece) for piece in self.pieces), END]


def event(choices: Any, **more: Any) -> bytes:
    """Return one chunk of a chat stream as an event."""
    first = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "m"}
    return sse.encode(msgspec.json.encode({**first, "choices": choices, **more}))


def said(reason: str | None = None, **delta: Any) -> bytes:
    """Return a chunk with this delta."""
    return event([{"index": 0, "delta": delta, "finish_reason": reason}])


def call(arguments: str, *, index: int | None = 0, name: str | None = None, **fields: Any) -> bytes:
    """Return a chunk with a piece of a tool call."""
    function = {"arguments": arguments} if name is None else {"name": name, "arguments": arguments}
    return said(tool_calls=[{**({} if index is None else {"index": index}), **fields, "function": function}])


ROLE = said(role="assistant", content=None)
TEXT = (said(role="assistant", content=""), said(content="High tide "), said(content="is at noon."))
WORDS = "High tide is at noon."
USED = event([], usage=USAGE)
STOP, CALLED = (said("stop"), USED, sse.DONE), (said("tool_calls"), USED, sse.DONE)


def whole(reason: str | None = "stop", **message: Any) -> bytes:
    """Return a whole completion."""
    document = {"id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "m", "usage": USAGE}
    content = {"role": "assistant", "content": WORDS, **message}
    return msgspec.json.encode({**document, "choices": [{"index": 0, "message": content, "finish_reason": reason}]})


def cut(data: bytes, size: int) -> tuple[bytes, ...]:
    """Return data in pieces of one size."""
    return tuple(data[at : at + size] for at in range(0, len(data), size))


def spoken(means: str, *pieces: bytes, **fields: Any) -> Shape:
    """Return a shape of the usual words."""
    return Shape(means=means, pieces=pieces, text=WORDS, **fields)


def tools(
    means: str, *pieces: bytes, calls: tuple[tuple[str, str, str], ...] = TWO_CALLS, end: tuple[bytes, ...] = CALLED
) -> Shape:
    """Return a shape of tool calls."""
    return Shape(means=means, pieces=(ROLE, *pieces, *end), calls=calls, reason="tool_calls")


def kept_out(means: str, *pieces: bytes, **fields: Any) -> Shape:
    """Return a shape that is delivered and not stored."""
    return Shape(means=means, pieces=pieces, stored=False, **fields)


def failed(means: str, *pieces: bytes, error: str, blamed: bool = True, **fields: Any) -> Shape:
    """Return a shape that is an error."""
    told = {"outcome": error, "charged": Charged.NOTHING, **fields}
    return Shape(means=means, pieces=pieces, error=error, blamed=blamed, stored=False, **told)


GOOD = (*TEXT, *STOP)
AS_STREAM = b"".join(GOOD)
UNFINISHED: Json = {
    "text": WORDS, "reason": None, "status": "incomplete", "outcome": "unfinished_answer",
}  # fmt: skip
EMPTY_NAME = said(role="assistant", content="", name="")
ERROR: Json = {"error": {"message": "The server had an error.", "type": "server_error", "code": "server_error"}}
FILTER = event([], prompt_filter_results=[{"prompt_index": 0, "content_filter_results": {}}])
SUMMED = [
    event([{"index": 0, "delta": {"content": words}, "message": {"content": so_far}, "finish_reason": reason}])
    for words, so_far, reason in (("High tide ", "High tide ", None), ("is at noon.", WORDS, "stop"))
]
ONE_MESSAGE = event([{"index": 0, "message": {"role": "assistant", "content": WORDS}, "finish_reason": "stop"}])

SHAPES: dict[str, Shape] = {
    "as_openai": spoken("as OpenAI sends it", *GOOD),
    # the form
    "events_as_text": spoken("events as `text/plain`", *GOOD, kind="text/plain; charset=utf-8"),
    "events_without_type": spoken("events without a content type", *GOOD, kind=None),
    "events_as_json": spoken("events as `application/json`", *GOOD, kind="application/json; charset=utf-8"),
    "events_as_bytes": spoken("events as `application/octet-stream`", *GOOD, kind="application/octet-stream"),
    "events_in_odd_case": spoken("the type in other letters", *GOOD, kind="Text/Event-Stream;charset=UTF-8"),
    "whole_as_json": spoken("one body, whether or not a stream was requested", whole(), kind="application/json"),
    "whole_as_events": spoken("one body as `text/event-stream`", whole()),
    "whole_as_text": spoken("one body as `text/plain`, after blank lines", b"\n\n", whole(), kind="text/plain"),
    "whole_with_end_marker": spoken("one body, then `data: [DONE]`", whole(), b"\n\ndata: [DONE]\n\n"),
    "whole_in_an_event": spoken("one event with a whole `message`", ONE_MESSAGE, USED, sse.DONE),
    "byte_order_mark": spoken("a byte order mark first", b"\xef\xbb\xbf" + GOOD[0], *GOOD[1:]),
    "ndjson": failed("lines of JSON without `data:`", whole() + b"\n" + whole(), error="malformed_answer",
                     kind="application/x-ndjson", charged=Charged.ESTIMATED),
    "web_page": failed("a web page with status 200", b"<html>", error="html_from_proxy", kind="text/plain"),
    # the events
    "crlf": spoken("lines that end with CRLF", AS_STREAM.replace(b"\n", b"\r\n")),
    "cr": spoken("lines that end with CR", AS_STREAM.replace(b"\n", b"\r")),
    "no_space": spoken("`data:` without a space", AS_STREAM.replace(b"data: ", b"data:")),
    "in_shreds": spoken("three bytes at a time", *cut(AS_STREAM, 3)),
    "several_lines": spoken("data on several lines", AS_STREAM.replace(b',"created"', b'\ndata: ,"created"')),
    "named_events": spoken("`event:`, `id:` and `retry:` lines",
                           *(b"event: chunk\nid: 1\nretry: 9\n" + one for one in GOOD)),
    "comments": spoken("comments and empty data between events",
                       *(b": keep-alive\n\ndata:\n\ndata: \n\n" + one for one in GOOD)),
    "pings": spoken("pings that are no chunks", *(b'event: ping\ndata: {"type":"ping"}\n\n' + one for one in GOOD)),
    "no_end_marker": spoken("a finish reason, and no `[DONE]`", *GOOD[:-1]),
    "no_line_end": spoken("no line end after `[DONE]`", *GOOD[:-1], b"data: [DONE]"),
    "not_json": failed("an event that is not JSON", *TEXT, b"data: {\n\n", error="malformed_answer", text=WORDS,
                       charged=Charged.ESTIMATED),
    # the chunks
    "filter_first": spoken("chunks without choices first (Azure's filter)", FILTER, *GOOD),
    "filter_last": spoken("a choice without a `delta` (Azure's filter)", *TEXT,
                          event([{"index": 0, "finish_reason": None, "content_filter_offsets": {}}]), *STOP),
    "delta_null": spoken("`delta: null`", *TEXT, event([{"index": 0, "delta": None, "finish_reason": "stop"}]), USED,
                         sse.DONE),
    "roles_only": spoken("several chunks with a role only", ROLE, ROLE, EMPTY_NAME, *GOOD),
    "finish_with_content": spoken("the finish reason beside the last words", *TEXT[:2],
                                  said("stop", content="is at noon."), USED, sse.DONE),
    "finish_twice": spoken("the finish reason in two chunks", *TEXT, said("stop"), *STOP),
    "usage_without_choices": spoken("usage in a chunk without `choices`", *TEXT, said("stop"),
                                    sse.encode(msgspec.json.encode({"usage": USAGE})), sse.DONE),
    "choices_null": spoken("usage beside `choices: null`", *TEXT, said("stop"), event(None, usage=USAGE), sse.DONE),
    "index_null": spoken("`index: null`", *(one.replace(b'"index":0', b'"index":null') for one in GOOD)),
    "message_beside_delta": spoken("the message so far beside each delta", *SUMMED, USED, sse.DONE),
    "message_at_the_end": spoken("the whole message after the deltas", *TEXT, ONE_MESSAGE, USED, sse.DONE),
    "content_of_parts": spoken("content as a list of parts, with thoughts",
                               said(content=[{"type": "thinking", "thinking": [{"type": "text", "text": "Hm."}]}]),
                               said(content=[{"type": "text", "text": WORDS}]), *STOP),
    "no_usage": spoken("no usage", *TEXT, said("stop"), sse.DONE, charged=Charged.ESTIMATED),
    # the end
    "no_reason": kept_out("content and `[DONE]`, without a finish reason", *TEXT, USED, sse.DONE, **UNFINISHED),
    "empty_reason": kept_out("a finish reason that is empty", *(one.replace(b"null}]", b'""}]') for one in TEXT), USED,
                             sse.DONE, **UNFINISHED),
    "whole_without_reason": kept_out("one body without a finish reason", whole(None), kind="application/json",
                                     **UNFINISHED),
    "cut_off": failed("neither a finish reason nor `[DONE]`", *TEXT, error="truncated_answer", text=WORDS,
                      charged=Charged.ESTIMATED),
    "role_and_end": failed("a role and `[DONE]`", ROLE, sse.DONE, error="truncated_answer", charged=Charged.ESTIMATED),
    "end_only": failed("`[DONE]` only", sse.DONE, error="malformed_answer", charged=Charged.ESTIMATED),
    "nothing": failed("a stream of nothing", b": nothing\n\n", error="truncated_answer", charged=Charged.ESTIMATED),
    "error_first": failed("an error event first", sse.encode(msgspec.json.encode(ERROR)), error="server_error"),
    "error_whole": failed("an error in JSON", msgspec.json.encode(ERROR), error="server_error",
                          kind="application/json"),
    "error_halfway": failed("an error event after some words", *TEXT, sse.encode(msgspec.json.encode(ERROR)),
                            error="server_error", text=WORDS, charged=Charged.ESTIMATED),
    "no_choices": failed("one body with `choices: []`", whole()[:0] + b'{"choices":[]}', kind="application/json",
                         error="empty_answer", blamed=False, charged=Charged.ESTIMATED),
    # what a caller can use
    "empty_answer": kept_out("a finish reason and no content", ROLE, *STOP),
    "white_space": kept_out("white space only", said(content=" \n"), *STOP, text=" \n"),
    "reasoning_only": kept_out("reasoning and no content", said(reasoning_content="Hm."), *STOP),
    "cut_at_the_limit": spoken("text that was cut at the caller's limit (`length`)", *TEXT, said("length"), USED,
                               sse.DONE, reason="length", status="incomplete"),
    "cut_by_another_name": spoken("the same by another name (`MAX_TOKENS`, `incomplete`)", *TEXT, said("MAX_TOKENS"),
                                  USED, sse.DONE, reason="length", status="incomplete"),
    "nothing_at_the_limit": kept_out("`length` and no content", said(reasoning_content="Hm."), said("length"), USED,
                                     sse.DONE, reason="length", status="incomplete"),
    "filtered": kept_out("text that was filtered (`content_filter`)", *TEXT, said("content_filter"), USED, sse.DONE,
                         text=WORDS, reason="content_filter", status="incomplete"),
    "filtered_by_another_name": kept_out("the same by another name (`recitation`, `safety`)", *TEXT, said("recitation"),
                                         USED, sse.DONE, text=WORDS, reason="recitation", status="incomplete"),
    "new_reason": kept_out("an unknown finish reason", *TEXT, said("other"), USED, sse.DONE, text=WORDS,
                           reason="other"),
    "refusal": kept_out("a refusal", said(refusal="No."), *STOP),
    "broken_call": kept_out("a tool call whose arguments are not JSON", call('{"city":', id="call_a", name="weather"),
                            *CALLED, calls=(("call_a", "weather", '{"city":'),), reason="tool_calls"),
    "nameless_call": kept_out("a tool call without a name", call(PARIS, id="call_a"), *CALLED,
                              calls=(("call_a", "", PARIS),), reason="tool_calls"),
    "no_calls": kept_out("`tool_calls` as the reason, and no call", ROLE, *CALLED, reason="tool_calls"),
    # tool calls
    "calls_as_openai": tools(
        "tool calls as OpenAI sends them",
        call("", id="call_a", type="function", name="weather"), call('{"city":'), call('"Paris"}'),
        call("", index=1, id="call_b", type="function", name="tide"), call(ROME, index=1),
    ),
    "calls_that_stop": tools(
        "tool calls, and then `stop` (Gemini)",
        call(PARIS, index=None, id="call_a", type="function", name="weather"),
        call(ROME, index=None, id="call_b", type="function", name="tide"), end=STOP,
    ),
    "calls_and_stop_in_one_chunk": tools(
        "a tool call and `stop` in one chunk",
        said("stop", tool_calls=[{"index": 0, "id": "call_a", "function": {"name": "weather", "arguments": PARIS}}]),
        calls=ONE_CALL, end=(USED, sse.DONE),
    ),
    "call_with_last_words": tools(
        "tool calls, and then empty words beside `stop`",
        call(PARIS, id="call_a", name="weather"), said("stop", role="assistant", content=""), calls=ONE_CALL,
        end=(USED, sse.DONE),
    ),
    "calls_that_end_with_another_word": tools(
        "tool calls that end with `tool_use` or `FUNCTION_CALL`",
        call(PARIS, id="call_a", name="weather"), said("tool_use"), calls=ONE_CALL, end=(USED, sse.DONE),
    ),
    "whole_call_that_stops": Shape(
        means="a tool call in one body, and `stop`", kind="application/json", calls=ONE_CALL, reason="tool_calls",
        pieces=(
            whole(content=None, tool_calls=[{
                "id": "call_a", "type": "function", "function": {"name": "weather", "arguments": PARIS},
            }]),
        ),
    ),
    "calls_cut_at_the_limit": kept_out(
        "a tool call that was cut at the caller's limit (`length`)", call('{"city":', id="call_a", name="weather"),
        said("length"), USED, sse.DONE, calls=(("call_a", "weather", '{"city":'),), reason="length",
        status="incomplete",
    ),
    "calls_all_index_0": tools(
        "all calls with the index 0",
        call(PARIS, id="call_a", type="function", name="weather"),
        call(ROME, id="call_b", type="function", name="tide"),
    ),
    "calls_all_index_0_in_pieces": tools(
        "the same in pieces",
        call("", id="call_a", type="function", name="weather"), call('{"city":'), call('"Paris"}'),
        call("", id="call_b", type="function", name="tide"), call(ROME),
    ),
    "calls_without_index": tools(
        "calls without an index",
        call(PARIS, index=None, id="call_a", name="weather"), call(ROME, index=None, id="call_b", name="tide"),
    ),
    "calls_from_index_1": tools(
        "calls numbered from 1",
        call(PARIS, index=1, id="call_a", name="weather"), call(ROME, index=2, id="call_b", name="tide"),
    ),
    "index_grows": tools(
        "an index that grows with each piece",
        call("", id="call_a", name="weather"), call('{"city":', index=1), call('"Paris"}', index=2), calls=ONE_CALL,
    ),
    "later_name_empty": tools(
        "a later name or id that is empty",
        call("", id="call_a", name="weather"), call('{"city":', name="", id=""), call('"Paris"}', name=""),
        calls=ONE_CALL,
    ),
    "later_id_is_a_word": tools(
        "a later id that is the word `null`",
        call("", id="call_a", name="weather"), call('{"city":', name="", id="null"), call('"Paris"}'), calls=ONE_CALL,
    ),
    "later_name_null": tools(
        "a later name or id that is null",
        call("", id="call_a", name="weather"),
        said(tool_calls=[{"index": 0, "id": None, "type": None, "function": {"name": None, "arguments": PARIS}}]),
        calls=ONE_CALL,
    ),
    "id_and_name_repeated": tools(
        "id and name with each piece",
        *(call(part, id="call_a", type="function", name="weather") for part in ('{"ci', 'ty":', '"Paris"}')),
        calls=ONE_CALL,
    ),
    "call_repeated_at_the_end": tools(
        "the whole call again at the end",
        call("", id="call_a", name="weather"), call(PARIS), call(PARIS, id="call_a", name="weather"), calls=ONE_CALL,
    ),
    "arguments_null": tools(
        "arguments that are null in one piece",
        said(tool_calls=[{"index": 0, "id": "call_a", "function": {"name": "weather", "arguments": None}}]),
        call(PARIS), calls=ONE_CALL,
    ),
    "arguments_as_object": tools(
        "arguments as an object",
        said(tool_calls=[{"id": "call_a", "function": {"name": "weather", "arguments": {"city": "Paris"}}}]),
        calls=ONE_CALL,
    ),
}  # fmt: skip
