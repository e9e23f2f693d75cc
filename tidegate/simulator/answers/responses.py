"""POST /v1/responses."""

from collections.abc import Mapping
from typing import Any

from tidegate.simulator.answers.chat import (
    input_details,
    output_kinds,
    served_tier,
    spoken_texts,
    text_of,
    token_logprobs,
)
from tidegate.simulator.answers.counting import PRIMING_TOKENS, json_tokens, message_tokens, tokens_for
from tidegate.simulator.answers.hosted_tools import tool_items, tool_usage
from tidegate.simulator.answers.prompts import prompt_field
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
from tidegate.wire.responses import to_events

_ECHOED_DEFAULTS: Json = {
    "background": False, "frequency_penalty": 0.0, "instructions": None, "max_output_tokens": None,
    "max_tool_calls": None, "metadata": {}, "parallel_tool_calls": True, "presence_penalty": 0.0,
    "previous_response_id": None, "prompt_cache_key": None, "prompt_cache_retention": None,
    "safety_identifier": None, "store": True, "temperature": 1.0, "tool_choice": "auto", "tools": [],
    "top_logprobs": 0, "top_p": 1.0, "truncation": "disabled", "user": None,
}  # fmt: skip
"""Request fields that a Response repeats, with the value for a request that leaves them out."""


def generation_request(body: Mapping[str, Any], tokens: int | None) -> GenerationRequest:
    """Return what a request asks for. Raises Refusal."""
    asked = body.get("input")
    if asked is None and not any(body.get(name) for name in ("previous_response_id", "conversation", "prompt")):
        raise invalid("Missing required parameter: 'input'.", param="input", code="missing_required_parameter")
    items = [item for item in asked if isinstance(item, dict)] if isinstance(asked, list) else []
    tools = [_tool(tool) for tool in body.get("tools") or () if tool.get("type") in ("function", "custom")]
    form: Mapping[str, Any] = (body.get("text") or {}).get("format") or {}
    user_text = asked if isinstance(asked, str) else _last_user_text(items)
    return GenerationRequest(
        seed=seed_of(answer_inputs(body)),
        model=body["model"],
        user_text=user_text,
        texts=(body.get("instructions") or "", *spoken_texts(items), *([asked] if isinstance(asked, str) else ())),
        input_tokens=_input_tokens(body, items),
        tool=choose_tool(tools, body.get("tool_choice"), has_tool_output=_answers_a_tool(items), text=user_text),
        json=form.get("type") in ("json_schema", "json_object"),
        schema=form.get("schema"),
        max_tokens=body.get("max_output_tokens"),
        reasoning=reasoning_tokens(body["model"], (body.get("reasoning") or {}).get("effort")),
        tokens=tokens,
    )


def _tool(tool: Mapping[str, Any]) -> Tool:
    if "name" not in tool:
        raise invalid(
            "Missing required parameter: 'tools[0].name'.", param="tools[0].name", code="missing_required_parameter"
        )
    return Tool(name=tool["name"], schema=tool.get("parameters"), custom=tool["type"] == "custom")


def _input_tokens(body: Mapping[str, Any], items: list[Json]) -> int:
    """Return the tokens as of a chat: `instructions` is the system's message, and a text alone is the user's."""
    tokens = tokens_for(body["model"])
    said = [("system", body.get("instructions")), ("user", body.get("input"))]
    spoken = [{"role": role, "content": text} for role, text in said if isinstance(text, str)]
    declared = json_tokens(body.get("tools"), tokens) + json_tokens(body.get("text"), tokens)
    return PRIMING_TOKENS + declared + sum(message_tokens(item, tokens) for item in [*spoken, *items])


def _answers_a_tool(items: list[Json]) -> bool:
    return bool(items) and str(items[-1].get("type")).endswith("_call_output")


def _last_user_text(items: list[Json]) -> str:
    spoken = [item for item in items if item.get("role") == "user"] or items
    return text_of(spoken[-1].get("content")) if spoken else ""


def reply(body: Mapping[str, Any], question: GenerationRequest, identity: AnswerIdentity) -> SimulatedReply:
    """Return the Response, and its events if the request streams."""
    generated = generate(question)
    response = _response(body, question, generated, identity)
    return SimulatedReply(
        body=response,
        events=to_events(response, cut=tokens_for(body["model"]).split) if body.get("stream") else None,
        named_events=True,
        input_tokens=question.input_tokens,
        cached_tokens=identity.cached_tokens,
        output_tokens=generated.output_tokens,
        unseen_tokens=generated.unseen_tokens,
        kinds=identity.kinds,
        service_tier=response["service_tier"],
        tools=tuple(body.get("tools") or ()),
    )


def _response(
    body: Mapping[str, Any], question: GenerationRequest, generated: GeneratedAnswer, identity: AnswerIdentity
) -> Json:
    echoed = {key: default if body.get(key) is None else body[key] for key, default in _ECHOED_DEFAULTS.items()}
    reasons = reasoning_tokens(body["model"], None) > 0
    request_fields: Mapping[str, Any] = body.get("reasoning") or {}
    used = tool_usage(body, identity) if identity.tools else None
    return {
        "id": identity.make_id("resp_"),
        "object": "response",
        "created_at": int(identity.now),
        "status": "incomplete" if generated.cut_short else "completed",
        "completed_at": None if generated.cut_short else int(identity.now),
        "error": None,
        "incomplete_details": {"reason": "max_output_tokens"} if generated.cut_short else None,
        "model": body["model"],
        "output": _output(body, generated, identity),
        **echoed,
        **prompt_field(body),
        "tools": [_tool_config(tool) for tool in echoed["tools"]],
        "conversation": _conversation(body.get("conversation")),
        "reasoning": {"effort": "medium" if reasons else None, "summary": None, **request_fields},
        "service_tier": served_tier(body.get("service_tier")),
        "text": _text_config(body.get("text") or {}),
        **({"tool_usage": used} if used else {}),
        "usage": {
            "input_tokens": question.input_tokens,
            "input_tokens_details": input_details(identity),
            "output_tokens": generated.output_tokens,
            "output_tokens_details": {"reasoning_tokens": generated.reasoning, **output_kinds(identity)},
            "total_tokens": question.input_tokens + generated.output_tokens,
        },
    }


def _text_config(text: Json) -> Json:
    form = text.get("format") or {"type": "text"}
    if form.get("type") == "json_schema":
        form = {"description": None, "strict": False, **form}
    return {"verbosity": "medium", **text, "format": form}


def _tool_config(tool: Json) -> Json:
    if tool.get("type") != "function":
        return tool
    return {"description": None, "parameters": None, "strict": True, **tool}


def _conversation(value: Any) -> Json | None:
    if isinstance(value, str):
        return {"id": value}
    return {"id": value["id"]} if isinstance(value, dict) and "id" in value else None


def _output(body: Mapping[str, Any], generated: GeneratedAnswer, identity: AnswerIdentity) -> list[Json]:
    items = [_reasoning_item(body, identity)] if generated.reasoning else []
    items += tool_items(body, identity)
    status = "incomplete" if generated.cut_short else "completed"
    if generated.tool is not None:
        items.append(_call(generated, generated.tool, identity, status))
    elif generated.token_texts or not generated.cut_short:
        shown = "message.output_text.logprobs" in (body.get("include") or ())
        logprobs = token_logprobs(generated.token_texts, body.get("top_logprobs")) if shown else []
        part = {"type": "output_text", "text": generated.text, "annotations": [], "logprobs": logprobs}
        message = {"id": identity.make_id("msg_"), "type": "message", "role": "assistant", "status": status}
        items.append({**message, "content": [part]})
    return items


def _reasoning_item(body: Mapping[str, Any], identity: AnswerIdentity) -> Json:
    summarised = (body.get("reasoning") or {}).get("summary") is not None
    summary = [{"type": "summary_text", "text": "**Watching the tide**\n\nThe water comes and goes."}]
    item: Json = {"id": identity.make_id("rs_"), "type": "reasoning", "summary": summary if summarised else []}
    if "reasoning.encrypted_content" in (body.get("include") or ()):
        item["encrypted_content"] = f"gAAAA{identity.digits}"
    return item


def _call(generated: GeneratedAnswer, tool: Tool, identity: AnswerIdentity, status: str) -> Json:
    call = {"call_id": identity.make_id("call_"), "name": tool.name, "status": status}
    if tool.custom:
        return {"id": identity.make_id("ctc_"), "type": "custom_tool_call", "input": generated.text, **call}
    return {"id": identity.make_id("fc_"), "type": "function_call", "arguments": generated.text, **call}
