"""The good answers of the scripted upstream: one for each route, whole and as events."""

from typing import Any

import msgspec

from tidegate.core import endpoints
from tidegate.core.endpoints import Endpoint
from tidegate.wire import sse

Json = dict[str, Any]

QUESTION = "When is high tide?"
WORDS = ("High tide: à ", "midi.")
INPUT_TOKENS = 20
OUTPUT_TOKENS = 10
MOST_TOKENS = 16
"""The output limit in each request."""

PATHS = {endpoints.CHAT: "/chat/completions", endpoints.RESPONSES: "/responses", endpoints.EMBEDDINGS: "/embeddings"}


def request(route: Endpoint, model: str, *, stream: bool) -> Json:
    """Return the request of a case; its model has the case's name."""
    if route is endpoints.CHAT:
        said = {"messages": [{"role": "user", "content": QUESTION}], "max_tokens": MOST_TOKENS}
        return {"model": model, **said, "stream": stream}
    if route is endpoints.RESPONSES:
        return {"model": model, "input": QUESTION, "max_output_tokens": MOST_TOKENS, "store": False, "stream": stream}
    return {"model": model, "input": QUESTION}


def whole(route: Endpoint, model: str, *, usage: bool = True) -> bytes:
    """Return the unstreamed answer."""
    return msgspec.json.encode(_WHOLE[route](model, usage))


def events(route: Endpoint, model: str, *, usage: bool = True) -> list[bytes]:
    """Return the answer as a stream's events."""
    return _chat_events(model, usage) if route is endpoints.CHAT else _response_events(model, usage)


def error_event(route: Endpoint, code: str = "server_error", kind: str | None = "server_error") -> bytes:
    """Return an error event of the upstream inside a stream."""
    error = {"code": code, "message": "The server had an error.", "param": None}
    if route is endpoints.CHAT:
        return sse.encode(msgspec.json.encode({"error": {"type": kind, **error}}))
    return sse.encode(msgspec.json.encode({"type": "error", **error, "sequence_number": 3}), "error")


def refusal(kind: str | None, code: str | None, message: str) -> bytes:
    """Return an error envelope."""
    return msgspec.json.encode({"error": {"type": kind, "code": code, "message": message, "param": None}})


def _chat_usage() -> Json:
    total = INPUT_TOKENS + OUTPUT_TOKENS
    return {"prompt_tokens": INPUT_TOKENS, "completion_tokens": OUTPUT_TOKENS, "total_tokens": total}


def _response_usage() -> Json:
    total = INPUT_TOKENS + OUTPUT_TOKENS
    return {"input_tokens": INPUT_TOKENS, "output_tokens": OUTPUT_TOKENS, "total_tokens": total}


def _chat_whole(model: str, usage: bool) -> Json:
    message = {"role": "assistant", "content": "".join(WORDS), "refusal": None}
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}
    document = {"id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": model, "choices": [choice]}
    return {**document, "usage": _chat_usage()} if usage else document


def _response_whole(model: str, usage: bool, status: str = "completed") -> Json:
    part = {"type": "output_text", "text": "".join(WORDS), "annotations": []}
    item = {"type": "message", "id": "msg_1", "role": "assistant", "status": "completed", "content": [part]}
    document: Json = {"id": "resp_1", "object": "response", "created_at": 1, "model": model, "status": status}
    document |= {"error": None, "incomplete_details": None, "output": [item] if status == "completed" else []}
    return {**document, "usage": _response_usage() if usage and status == "completed" else None}


def _embeddings(model: str, usage: bool) -> Json:
    vector = {"object": "embedding", "index": 0, "embedding": [0.25, -0.5]}
    document = {"object": "list", "data": [vector], "model": model}
    return {**document, "usage": {"prompt_tokens": INPUT_TOKENS, "total_tokens": INPUT_TOKENS}} if usage else document


_WHOLE = {endpoints.CHAT: _chat_whole, endpoints.RESPONSES: _response_whole, endpoints.EMBEDDINGS: _embeddings}


def _chat_events(model: str, usage: bool) -> list[bytes]:
    def chunk(choices: list[Json], **more: Any) -> bytes:
        head = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": model}
        return sse.encode(msgspec.json.encode({**head, "choices": choices, **more}))

    def said(delta: Json, finish: str | None = None) -> bytes:
        return chunk([{"index": 0, "delta": delta, "finish_reason": finish}])

    spoken = [said({"role": "assistant", "content": ""}), *(said({"content": word}) for word in WORDS)]
    last = [chunk([], usage=_chat_usage())] if usage else []
    return [*spoken, said({}, "stop"), *last, sse.DONE]


def _response_events(model: str, usage: bool) -> list[bytes]:
    began = {"response": _response_whole(model, usage, "in_progress")}
    where = {"item_id": "msg_1", "output_index": 0, "content_index": 0}
    documents: list[Json] = [
        {"type": "response.created", **began},
        *({"type": "response.output_text.delta", **where, "delta": word} for word in WORDS),
        {"type": "response.output_text.done", **where, "text": "".join(WORDS)},
        {"type": "response.completed", "response": _response_whole(model, usage)},
    ]
    return [
        sse.encode(msgspec.json.encode({**document, "sequence_number": number}), document["type"])
        for number, document in enumerate(documents)
    ]
