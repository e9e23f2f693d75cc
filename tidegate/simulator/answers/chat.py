"""POST /v1/chat/completions."""

import base64
import math
from collections.abc import Mapping
from random import Random
from typing import Any

import msgspec

from tidegate.simulator.answers.counting import PRIMING_TOKENS, json_tokens, message_tokens, tokens_for
from tidegate.simulator.answers.questions import (
    GeneratedAnswer,
    GenerationRequest,
    Tool,
    answer_inputs,
    choose_tool,
    generate,
    reasoning_tokens,
)
from tidegate.simulator.answers.reply import AnswerIdentity, Json, SimulatedReply
from tidegate.simulator.answers.words import seed_of
from tidegate.simulator.refusal import invalid
from tidegate.wire.chat import to_chunks


def generation_request(body: Mapping[str, Any], tokens: int | None) -> GenerationRequest:
    """Return what a chat request asks for. Raises Refusal."""
    messages = body.get("messages")
    if not isinstance(messages, list) or not messages or not all(isinstance(message, dict) for message in messages):
        raise invalid("Missing required parameter: 'messages'.", param="messages", code="missing_required_parameter")
    tools = [_tool(tool) for tool in body.get("tools") or ()]
    form: Mapping[str, Any] = body.get("response_format") or {}
    kind = form.get("type", "text")
    stop = body.get("stop") or ()
    user_text = _last_user_text(messages)
    return GenerationRequest(
        seed=seed_of(answer_inputs(body)),
        model=body["model"],
        user_text=user_text,
        texts=spoken_texts(messages),
        input_tokens=_input_tokens(body),
        tool=choose_tool(
            tools,
            body.get("tool_choice"),
            has_tool_output=messages[-1].get("role") in ("tool", "function"),
            text=user_text,
        ),
        json=kind in ("json_schema", "json_object"),
        schema=form.get("json_schema", {}).get("schema"),
        max_tokens=body.get("max_completion_tokens") or body.get("max_tokens"),
        stop=(stop,) if isinstance(stop, str) else tuple(stop),
        reasoning=reasoning_tokens(body["model"], body.get("reasoning_effort")),
        tokens=tokens,
    )


def _tool(tool: Mapping[str, Any]) -> Tool:
    if tool.get("type") == "custom":
        return Tool(name=tool["custom"]["name"], custom=True)
    function = tool.get("function", {})
    if "name" not in function:
        raise invalid("Missing required parameter: 'tools[0].function'.", param="tools[0].function")
    return Tool(name=function["name"], schema=function.get("parameters"))


def _input_tokens(body: Mapping[str, Any]) -> int:
    tokens = tokens_for(body["model"])
    declared = sum(json_tokens(body.get(name), tokens) for name in ("tools", "functions", "response_format"))
    return PRIMING_TOKENS + declared + sum(message_tokens(message, tokens) for message in body["messages"])


def text_of(content: Any) -> str:
    """Return the text in a message's content."""
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else ()
    return " ".join(part["text"] for part in parts if isinstance(part.get("text"), str))


def spoken_texts(messages: list[Json]) -> tuple[str, ...]:
    """Return the texts of the instructions and of the user."""
    return tuple(
        text_of(message.get("content"))
        for message in messages
        if message.get("role") in ("system", "developer", "user")
    )


def _last_user_text(messages: list[Json]) -> str:
    spoken = [message for message in messages if message.get("role") == "user"] or messages
    return text_of(spoken[-1].get("content"))


def reply(body: Mapping[str, Any], question: GenerationRequest, identity: AnswerIdentity) -> SimulatedReply:
    """Return the completion, and its chunks if the request streams. Raises Refusal."""
    wanted = 1 if body.get("n") is None else body["n"]
    if not isinstance(wanted, int) or not 1 <= wanted <= 128:
        raise invalid(f"Invalid 'n': {wanted!r} is not an integer from 1 to 128.", param="n")
    answers = [generate(question, number) for number in range(wanted)]
    usage = _usage(question, answers, identity, audio=_wants_audio(body))
    completion = {
        "id": identity.make_id("chatcmpl-"),
        "object": "chat.completion",
        "created": int(identity.now),
        "model": body["model"],
        "choices": [_choice(body, generated, identity, number) for number, generated in enumerate(answers)],
        "usage": usage,
        "service_tier": served_tier(body.get("service_tier")),
        "system_fingerprint": f"fp_{seed_of(body['model']):016x}"[:13],
    }
    return SimulatedReply(
        body=completion,
        events=_chunks(completion, body.get("stream_options") or {}) if body.get("stream") else None,
        input_tokens=question.input_tokens,
        cached_tokens=identity.cached_tokens,
        output_tokens=usage["completion_tokens"],
        kinds=msgspec.structs.replace(identity.kinds, output_audio=usage["completion_tokens_details"]["audio_tokens"]),
        service_tier=completion["service_tier"],
        searches=_search_of(body["model"]),
        unseen_tokens=sum(generated.unseen_tokens for generated in answers),
    )


def _search_of(model: str) -> str:
    """Return what a search model is billed for with each answer; empty for any other model."""
    if "-search-" not in model:
        return ""
    return "web_search_preview" if model.startswith("gpt-4") else "web_search"


def served_tier(requested_tier: str | None) -> str:
    """Return the tier that serves a request for the tier `asked`."""
    return {"flex": "flex", "priority": "priority", "fast": "priority", "scale": "scale"}.get(
        requested_tier or "", "default"
    )


def _chunks(completion: Json, options: Mapping[str, Any]) -> list[Json]:
    for choice in completion["choices"]:
        choice["message"].pop("annotations", None)  # deltas have no message
    cut = tokens_for(completion["model"]).split
    return to_chunks(completion, include_usage=bool(options.get("include_usage")), cut=cut)


def _usage(
    question: GenerationRequest, answers: list[GeneratedAnswer], identity: AnswerIdentity, *, audio: bool
) -> Json:
    output = sum(said.output_tokens for said in answers)
    return {
        "prompt_tokens": question.input_tokens,
        "completion_tokens": output,
        "total_tokens": question.input_tokens + output,
        "prompt_tokens_details": {"audio_tokens": 0, **input_details(identity)},
        "completion_tokens_details": {
            "reasoning_tokens": sum(said.reasoning for said in answers),
            "audio_tokens": sum(said.tokens for said in answers) if audio else 0,
            **output_kinds(identity),
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }


def input_details(identity: AnswerIdentity) -> Json:
    """Return the kinds of the input's tokens, as `usage` has them."""
    kinds = identity.kinds
    cached = {"audio_tokens": kinds.cached_audio, "image_tokens": kinds.cached_image}
    own = {"audio_tokens": kinds.input_audio, "image_tokens": kinds.input_image}
    return {
        "cached_tokens": identity.cached_tokens,
        "cache_write_tokens": kinds.cache_write,
        **{name: count for name, count in own.items() if count},
        **({"cached_tokens_details": cached} if any(cached.values()) else {}),
    }


def output_kinds(identity: AnswerIdentity) -> Json:
    """Return the kinds of the output's tokens that are stated."""
    own = {"audio_tokens": identity.kinds.output_audio, "image_tokens": identity.kinds.output_image}
    return {name: count for name, count in own.items() if count}


def _wants_audio(body: Mapping[str, Any]) -> bool:
    return "audio" in (body.get("modalities") or ())


def _choice(body: Mapping[str, Any], generated: GeneratedAnswer, identity: AnswerIdentity, number: int) -> Json:
    message: Json = {"role": "assistant", "content": generated.text, "refusal": None, "annotations": []}
    if generated.tool is not None:
        message["content"] = None
        message["tool_calls"] = [_call(generated, generated.tool, identity.make_id("call_", number))]
    elif _wants_audio(body):
        message["content"] = None
        message["audio"] = _audio(generated, identity, number)
    finish = "length" if generated.cut_short else "tool_calls" if generated.tool else "stop"
    shown = body.get("logprobs") and message["content"] is not None
    logprobs = (
        {"content": token_logprobs(generated.token_texts, body.get("top_logprobs")), "refusal": None} if shown else None
    )
    return {"index": number, "message": message, "logprobs": logprobs, "finish_reason": finish}


def _call(generated: GeneratedAnswer, tool: Tool, identifier: str) -> Json:
    if tool.custom:
        return {"id": identifier, "type": "custom", "custom": {"name": tool.name, "input": generated.text}}
    return {"id": identifier, "type": "function", "function": {"name": tool.name, "arguments": generated.text}}


def _audio(generated: GeneratedAnswer, identity: AnswerIdentity, number: int) -> Json:
    """Return a millisecond of silence for each token: 16 bit, 24 kHz."""
    return {
        "id": identity.make_id("audio_", number),
        "data": base64.b64encode(bytes(48 * generated.tokens)).decode(),
        "expires_at": int(identity.now) + 3600,
        "transcript": generated.text,
    }


def token_logprobs(pieces: list[str], top: int | None) -> list[Json]:
    """Return the log probability of each token, with `top` alternatives."""
    return [_token_logprob(piece, top or 0) for piece in pieces]


def _token_logprob(token: str, top: int) -> Json:
    random = Random(token)  # noqa: S311  # repeatable on purpose
    chosen_one = _one_logprob(token, math.log(0.5 + random.random() / 2))
    others = [_one_logprob(f" {number}", math.log(0.4 / (number + 1))) for number in range(1, top)]
    return {**chosen_one, "top_logprobs": [chosen_one, *others][:top]}


def _one_logprob(token: str, logprob: float) -> Json:
    return {"token": token, "logprob": logprob, "bytes": list(token.encode())}
