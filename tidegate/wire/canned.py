"""Make a valid answer from a configured text: a chat completion or a Response, as a body or a stream.

Its usage is zero, because no tokens were bought. A request for structured output, a forced tool call or audio gets no
canned answer: a wrong answer would do more harm than an error.
"""

from typing import Any

import msgspec

from tidegate.core.endpoints import Format
from tidegate.wire import chat, responses, sse
from tidegate.wire.call import Call
from tidegate.wire.translate.document import in_progress_document

Json = dict[str, Any]

_MAX_CHOICES = 128


def canned_answer(call: Call, text: str, *, digits: str, now: float) -> tuple[bytes, ...] | None:
    """Return the answer's events, or its one body; None where a text cannot answer the call.

    `digits` make its identifiers unique, `now` is Unix seconds.
    """
    if call.endpoint.format is Format.CHAT and _wants_text(call.body, call.body.get("response_format")):
        completion = _completion(call, text, digits, now)
        return _chat_stream(completion) if call.stream else (msgspec.json.encode(completion),)
    if call.endpoint.format is Format.RESPONSES and _wants_text(call.body, _format(call.body)):
        response = _response(call, text, digits, now)
        return _response_stream(response) if call.stream else (msgspec.json.encode(response),)
    return None


def _wants_text(body: Json, output_format: Any) -> bool:
    kind = output_format.get("type", "text") if isinstance(output_format, dict) else "text"
    wants_audio = "audio" in body["modalities"] if isinstance(body.get("modalities"), list) else False
    return kind == "text" and not wants_audio and body.get("tool_choice") in (None, "auto", "none")


def _format(body: Json) -> Any:
    text = body.get("text")
    return text.get("format") if isinstance(text, dict) else None


def _completion(call: Call, text: str, digits: str, now: float) -> Json:
    choices = call.body.get("n")
    count = min(choices, _MAX_CHOICES) if isinstance(choices, int) and choices > 0 else 1
    message = {"role": "assistant", "content": text, "refusal": None}
    choice = {"message": message, "logprobs": None, "finish_reason": "stop"}
    return {
        "id": f"chatcmpl-{digits}",
        "object": "chat.completion",
        "created": int(now),
        "model": call.model,
        "choices": [{"index": number, **choice} for number in range(count)],
        "usage": {
            "prompt_tokens": 0,
            "completion_tokens": 0,
            "total_tokens": 0,
            "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
            "completion_tokens_details": {
                "reasoning_tokens": 0,
                "audio_tokens": 0,
                "accepted_prediction_tokens": 0,
                "rejected_prediction_tokens": 0,
            },
        },
        "system_fingerprint": None,
    }


def _chat_stream(completion: Json) -> tuple[bytes, ...]:
    return (*(sse.encode(msgspec.json.encode(chunk)) for chunk in chat.to_chunks(completion)), sse.DONE)


def _response(call: Call, text: str, digits: str, now: float) -> Json:
    part = {"type": "output_text", "text": text, "annotations": [], "logprobs": []}
    message = {"id": f"msg_{digits}", "type": "message", "role": "assistant", "status": "completed", "content": [part]}
    return {
        **in_progress_document(_well_typed(call.body), response_id=f"resp_{digits}", created_at=now, model=call.model),
        "status": "completed",
        "completed_at": int(now),
        "output": [message],
        "usage": {
            "input_tokens": 0,
            "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
            "output_tokens": 0,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": 0,
        },
    }


def _well_typed(body: Json) -> Json:
    """Return the body without fields of the wrong type: the request has not been validated."""
    tools = body.get("tools")
    kinds: dict[str, type] = {"tools": list, "reasoning": dict, "text": dict, "metadata": dict}
    valid_fields = {name: value for name, value in body.items() if name not in kinds or isinstance(value, kinds[name])}
    if isinstance(tools, list):
        valid_fields["tools"] = [tool for tool in tools if isinstance(tool, dict)]
    if not isinstance(_format(body), dict | None):
        valid_fields.pop("text")
    return valid_fields


def _response_stream(response: Json) -> tuple[bytes, ...]:
    events = responses.to_events(response)
    return tuple(sse.encode(msgspec.json.encode(event), event["type"]) for event in events)
