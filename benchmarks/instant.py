"""An upstream that costs next to nothing: what remains of a measurement is the gateway's own.

It answers a POST with one fixed chat completion or Response. Where the body asks for a stream, a completion comes in
paced chunks, a Response's events all at once. `python -m benchmarks.instant --port 4551`
"""

import argparse
import asyncio
from typing import cast

import httptools
import msgspec
import uvloop

from tidegate.wire import responses, sse

CHUNKS_PER_SECOND = 50.0
CHUNKS = 400

_COMPLETION = (
    b'{"id":"chatcmpl-bench","object":"chat.completion","created":1790000000,"model":"gpt-4o-mini-2024-07-18",'
    b'"choices":[{"index":0,"message":{"role":"assistant","content":"The tide comes in and the tide goes out, twice '
    b'a day, and no gate has ever asked it why.","refusal":null},"logprobs":null,"finish_reason":"stop"}],'
    b'"usage":{"prompt_tokens":19,"completion_tokens":21,"total_tokens":40,"prompt_tokens_details":'
    b'{"cached_tokens":0},"completion_tokens_details":{"reasoning_tokens":0}},"service_tier":"default"}'
)
SAID = "The tide comes in and the tide goes out, twice a day, and no gate has ever asked it why."
_MESSAGE = {
    "id": "msg_bench",
    "type": "message",
    "status": "completed",
    "role": "assistant",
    "content": [{"type": "output_text", "text": SAID, "annotations": [], "logprobs": []}],
}
_RESPONSE = {
    "id": "resp_bench",
    "object": "response",
    "created_at": 1790000000,
    "completed_at": 1790000000,
    "status": "completed",
    "error": None,
    "incomplete_details": None,
    "model": "gpt-4o-mini-2024-07-18",
    "output": [_MESSAGE],
    "usage": {
        "input_tokens": 19,
        "input_tokens_details": {"cached_tokens": 0},
        "output_tokens": 21,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": 40,
    },
}
_WHOLE_RESPONSE = msgspec.json.encode(_RESPONSE)
_MODELS = b'{"object":"list","data":[{"id":"gpt-4o-mini","object":"model","created":1721172741,"owned_by":"openai"}]}'
_CHUNK = (
    b'data: {"id":"chatcmpl-bench","object":"chat.completion.chunk","created":1790000000,'
    b'"model":"gpt-4o-mini-2024-07-18","service_tier":"default","system_fingerprint":"fp_bench",'
    b'"choices":[{"index":0,"delta":%s,"logprobs":null,"finish_reason":%s}]}\n\n'
)
_USAGE = (
    b'data: {"id":"chatcmpl-bench","object":"chat.completion.chunk","created":1790000000,'
    b'"model":"gpt-4o-mini-2024-07-18","choices":[],"usage":{"prompt_tokens":19,"completion_tokens":%d,'
    b'"total_tokens":%d}}\n\n'
)


def _whole(body: bytes) -> bytes:
    head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nx-request-id: req_bench\r\ncontent-length: %d\r\n\r\n"
    return head % len(body) + body


def _piece(event: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(event), event)


_STREAM_HEAD = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\n"
    b"x-request-id: req_bench\r\ntransfer-encoding: chunked\r\n\r\n"
)
_FIRST = _piece(_CHUNK % (b'{"role":"assistant","content":""}', b"null"))
_NEXT = _piece(_CHUNK % (b'{"content":" tide"}', b"null"))
_LAST = _piece(_CHUNK % (b"{}", b'"stop"'))
_END = b"0\r\n\r\n"
_DONE = _piece(b"data: [DONE]\n\n") + _END
_RESPONSE_EVENTS = b"".join(
    _piece(sse.encode(msgspec.json.encode(event), event["type"])) for event in responses.to_events(_RESPONSE)
)


class InstantServer(asyncio.Protocol):
    """One connection; requests on it are answered in turn."""

    def __init__(self, chunks_per_second: float, chunks: int, streaming: set["InstantServer"]) -> None:
        """A stream has `chunks` pieces of content, sent at the pace of `chunks_per_second`.

        Connections whose stream is in progress are in `streaming`; GET /v1/streams tells how many.
        """
        self._interval = 1 / chunks_per_second
        self._chunks = chunks
        self._streaming = streaming
        self._parser = httptools.HttpRequestParser(self)
        self._body = b""
        self._path = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = cast(asyncio.Transport, transport)

    def connection_lost(self, _: Exception | None) -> None:
        """A stream in progress is over."""
        self._streaming.discard(self)

    def data_received(self, data: bytes) -> None:
        """Feed the parser, which calls back below."""
        self._parser.feed_data(data)

    def on_url(self, url: bytes) -> None:
        """Keep the path."""
        self._path = url

    def on_body(self, body: bytes) -> None:
        """Collect a request's body."""
        self._body += body

    def on_message_complete(self) -> None:
        """Answer the request."""
        body, self._body = self._body, b""
        stream = b'"stream":true' in body or b'"stream": true' in body
        if self._parser.get_method() == b"GET":
            told = b'{"open":%d}' % len(self._streaming) if self._path.endswith(b"/streams") else _MODELS
            self._transport.write(_whole(told))
        elif self._path.endswith(b"/responses"):
            self._transport.write(_STREAM_HEAD + _RESPONSE_EVENTS + _END if stream else _whole(_WHOLE_RESPONSE))
        elif stream:
            self._streaming.add(self)
            self._transport.write(_STREAM_HEAD + _FIRST)
            self._go_on(self._chunks, wants_usage=b"include_usage" in body)
        else:
            self._transport.write(_whole(_COMPLETION))

    def _go_on(self, left: int, *, wants_usage: bool) -> None:
        if self._transport.is_closing():
            return
        if left:
            self._transport.write(_NEXT)
            loop = asyncio.get_running_loop()
            loop.call_later(self._interval, lambda: self._go_on(left - 1, wants_usage=wants_usage))
            return
        self._streaming.discard(self)
        usage = _piece(_USAGE % (self._chunks, self._chunks + 19)) if wants_usage else b""
        self._transport.write(_LAST + usage + _DONE)


async def serve(port: int, chunks_per_second: float, chunks: int) -> None:
    """Listen on loopback until killed."""
    streaming: set[InstantServer] = set()
    server = await asyncio.get_running_loop().create_server(
        lambda: InstantServer(chunks_per_second, chunks, streaming), "127.0.0.1", port, backlog=1024
    )
    await server.serve_forever()


def main() -> None:
    """Run it from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--chunks-per-second", type=float, default=CHUNKS_PER_SECOND)
    parser.add_argument("--chunks", type=int, default=CHUNKS)
    options = parser.parse_args()
    uvloop.run(serve(options.port, options.chunks_per_second, options.chunks))


if __name__ == "__main__":
    main()
