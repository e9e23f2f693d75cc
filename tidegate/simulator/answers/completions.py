"""POST /v1/completions, the older endpoint for bare text."""

from collections.abc import Mapping
from typing import Any

from tidegate.simulator.answers.counting import tokens_for
from tidegate.simulator.answers.questions import GeneratedAnswer, GenerationRequest, answer_inputs, generate
from tidegate.simulator.answers.reply import AnswerIdentity, Json, SimulatedReply
from tidegate.simulator.answers.words import seed_of
from tidegate.simulator.refusal import invalid

_USUAL_TOKENS = 16
"""`max_tokens` if it is left out."""


def reply(body: Mapping[str, Any], identity: AnswerIdentity, tokens: int | None) -> SimulatedReply:
    """Return `n` completions of each prompt. Raises Refusal."""
    prompts = _prompts(body.get("prompt"), body["model"])
    number = body.get("n") or 1
    best_of = body.get("best_of") or number
    if best_of < number:
        raise invalid("You requested that the server return more choices than it will generate.", param="best_of")
    written = [(prompt, _written(prompt, body, tokens, at)) for prompt, _ in prompts for at in range(best_of)]
    kept = [pair for at, pair in enumerate(written) if at % best_of < number]
    choices = [_choice(at, prompt, answer, body) for at, (prompt, answer) in enumerate(kept)]
    input_tokens = sum(count for _, count in prompts)
    output_tokens = sum(answer.tokens for _, answer in written)
    usage = {
        "prompt_tokens": input_tokens,
        "completion_tokens": output_tokens,
        "total_tokens": input_tokens + output_tokens,
    }
    whole = {
        "id": identity.make_id("cmpl-"), "object": "text_completion", "created": int(identity.now),
        "model": body["model"], "choices": choices, "usage": usage,
    }  # fmt: skip
    events = _chunks(whole, body, [answer.token_texts for _, answer in kept]) if body.get("stream") else None
    return SimulatedReply(body=whole, events=events, input_tokens=input_tokens, output_tokens=output_tokens)


def _prompts(value: Any, model: str) -> list[tuple[str, int]]:
    """Return the text and the tokens of each prompt, which may be given as tokens."""
    tokens = tokens_for(model)
    if value is None:
        return [("", 1)]  # the mark that begins a document
    if isinstance(value, str):
        value = [value]
    if not isinstance(value, list) or not value:
        raise invalid("Invalid type or value for 'prompt'.", param="prompt", code="invalid_value")
    if isinstance(value[0], int):
        value = [value]
    return [(one, tokens.count(one)) if isinstance(one, str) else ("", len(one)) for one in value]


def _written(prompt: str, body: Mapping[str, Any], tokens: int | None, number: int) -> GeneratedAnswer:
    stop = body.get("stop") or ()
    question = GenerationRequest(
        seed=seed_of({**answer_inputs(body), "prompt": prompt}),
        model=body["model"],
        user_text=prompt,
        input_tokens=0,
        max_tokens=_USUAL_TOKENS if body.get("max_tokens") is None else body["max_tokens"],
        stop=(stop,) if isinstance(stop, str) else tuple(stop),
        tokens=tokens,
    )
    return generate(question, number)


def _choice(index: int, prompt: str, answer: GeneratedAnswer, body: Mapping[str, Any]) -> Json:
    text = answer.text + (body.get("suffix") or "")
    return {
        "text": prompt + text if body.get("echo") else text,
        "index": index,
        "logprobs": _logprobs(answer) if body.get("logprobs") is not None else None,
        "finish_reason": "length" if answer.cut_short else "stop",
    }


def _logprobs(answer: GeneratedAnswer) -> Json:
    offsets = [sum(map(len, answer.token_texts[:at])) for at in range(len(answer.token_texts))]
    likely = [-0.1] * len(offsets)
    top = [{token: -0.1} for token in answer.token_texts]
    return {"tokens": answer.token_texts, "token_logprobs": likely, "top_logprobs": top, "text_offset": offsets}


def _chunks(whole: Json, body: Mapping[str, Any], texts: list[list[str]]) -> list[Json]:
    """Return the answer as a stream of the whole's pieces."""
    frame = {name: whole[name] for name in ("id", "object", "created", "model")}
    states_usage = bool((body.get("stream_options") or {}).get("include_usage"))
    if states_usage:
        frame["usage"] = None
    chunks = []
    for choice, pieces in zip(whole["choices"], texts, strict=True):
        blank = {"index": choice["index"], "logprobs": None, "finish_reason": None}
        echoed = choice["text"].removesuffix("".join(pieces) + (body.get("suffix") or ""))
        shown = [text for text in (echoed, *pieces, body.get("suffix") or "") if text]
        chunks += [{**frame, "choices": [{**blank, "text": text}]} for text in shown]
        chunks.append({**frame, "choices": [{**blank, "text": "", "finish_reason": choice["finish_reason"]}]})
    if states_usage:
        chunks.append({**frame, "choices": [], "usage": whole["usage"]})
    return chunks
