"""The usage objects of providers as they are really sent, each with the tokens that its bill has.

`docs/reference/usage-shapes.md` publishes this table; a test compares the two.
"""

from typing import Any

import msgspec

from tidegate.core.values import Usage

Json = dict[str, Any]


class Shape(msgspec.Struct, frozen=True, kw_only=True):
    """How one provider states usage."""

    provider: str
    stated: tuple[Json, ...]
    """The usage object of the body; of a stream, the parts of its chunks that state usage."""
    stream: bool = False
    usage: Usage


def _body(provider: str, stated: Json, **tokens: Any) -> Shape:
    return Shape(provider=provider, stated=(stated,), usage=Usage(**tokens))


def _stream(provider: str, *chunks: Json, **tokens: Any) -> Shape:
    return Shape(provider=provider, stated=chunks, stream=True, usage=Usage(**tokens))


def _chat(prompt: int, completion: int, total: int | None = None, **more: Any) -> Json:
    figures: Json = {"prompt_tokens": prompt, "completion_tokens": completion}
    return {**figures, "total_tokens": prompt + completion if total is None else total, **more}


SHAPES = (
    _body(
        "OpenAI, chat",
        _chat(
            100,
            50,
            prompt_tokens_details={"cached_tokens": 40, "cache_write_tokens": 30, "audio_tokens": 7, "image_tokens": 9},
            completion_tokens_details={"reasoning_tokens": 30, "audio_tokens": 5, "rejected_prediction_tokens": 2},
        ),
        input=100, cached=40, cache_write=30, input_audio=7, input_image=9, output=50, reasoning=30, output_audio=5,
    ),
    _body(
        "OpenAI, Responses",
        {
            "input_tokens": 100,
            "input_tokens_details": {"cached_tokens": 40, "cache_write_tokens": 30},
            "output_tokens": 50,
            "output_tokens_details": {"reasoning_tokens": 30},
            "total_tokens": 150,
        },
        input=100, cached=40, cache_write=30, output=50, reasoning=30,
    ),
    _body(
        "OpenAI, cached by kind",
        {
            "input_tokens": 100,
            "input_tokens_details": {
                "cached_tokens": 40,
                "audio_tokens": 50,
                "image_tokens": 20,
                "cached_tokens_details": {"text_tokens": 5, "audio_tokens": 25, "image_tokens": 10},
            },
            "output_tokens": 50,
            "output_tokens_details": {"image_tokens": 45},
        },
        input=100, cached=40, input_audio=50, cached_audio=25, input_image=20, cached_image=10, output=50,
        output_image=45,
    ),
    _body("OpenAI, embeddings", {"prompt_tokens": 8, "total_tokens": 8}, input=8),
    _body(
        "DeepSeek",
        _chat(100, 50, prompt_cache_hit_tokens=80, prompt_cache_miss_tokens=20),
        input=100, cached=80, output=50,
    ),
    _body(
        "DeepSeek behind a proxy that fills OpenAI's field with 0",
        _chat(100, 50, prompt_cache_hit_tokens=80, prompt_tokens_details={"cached_tokens": 0}),
        input=100, cached=80, output=50,
    ),
    _body("Moonshot", _chat(100, 50, cached_tokens=80), input=100, cached=80, output=50),
    _stream(
        "Moonshot, in the choice of the last chunk",
        {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop", "usage": _chat(100, 50, cached_tokens=80)}]},
        input=100, cached=80, output=50,
    ),
    _body(
        "Anthropic's names, no total",
        {
            "input_tokens": 50,
            "cache_read_input_tokens": 900,
            "cache_creation_input_tokens": 100,
            "output_tokens": 20,
        },
        input=1050, cached=900, cache_write=100, output=20,
    ),
    _body(
        "Anthropic's names in a proxy's chat answer, the total without them",
        _chat(1050, 20, cache_read_input_tokens=900, cache_creation_input_tokens=100),
        input=1050, cached=900, cache_write=100, output=20,
    ),
    _body(
        "Anthropic's names in a proxy's chat answer, the total with them",
        _chat(50, 20, 1070, cache_read_input_tokens=900, cache_creation_input_tokens=100),
        input=1050, cached=900, cache_write=100, output=20,
    ),
    _body(
        "Bedrock behind a proxy, cached beside the prompt in OpenAI's field",
        {"prompt_tokens": 50, "completion_tokens": 20, "prompt_tokens_details": {"cached_tokens": 900}},
        input=950, cached=900, output=20,
    ),
    _body(
        "Anthropic's names beside a proxy's split of the first turn only",
        _chat(
            734_311,
            100,
            cache_read_input_tokens=426_653,
            cache_creation_input_tokens=184_457,
            prompt_tokens_details={
                "cache_creation_token_details": {"ephemeral_5m_input_tokens": 31_490, "ephemeral_1h_input_tokens": 0}
            },
        ),
        input=734_311, cached=426_653, cache_write=184_457, output=100,
    ),
    _body(
        "Anthropic, some of it written for an hour",
        {
            "input_tokens": 50,
            "cache_read_input_tokens": 900,
            "cache_creation_input_tokens": 3904,
            "cache_creation": {"ephemeral_5m_input_tokens": 904, "ephemeral_1h_input_tokens": 3000},
            "output_tokens": 20,
        },
        input=4854, cached=900, cache_write=3904, cache_write_1h=3000, output=20,
    ),
    _body(
        "Anthropic behind LiteLLM, written for an hour",
        _chat(
            4000,
            20,
            cache_creation_input_tokens=3904,
            prompt_tokens_details={
                "cache_creation_tokens": 3904,
                "cache_creation_token_details": {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 3904},
            },
        ),
        input=4000, cache_write=3904, cache_write_1h=3904, output=20,
    ),
    _body(
        "Anthropic behind LLM Gateway, the lifetimes only",
        _chat(
            4000,
            20,
            prompt_tokens_details={
                "cached_tokens": 0,
                "cache_creation": {"ephemeral_5m_input_tokens": 904, "ephemeral_1h_input_tokens": 3000},
            },
        ),
        input=4000, cache_write=3904, cache_write_1h=3000, output=20,
    ),
    _body(
        "Anthropic behind New API",
        _chat(
            4000,
            20,
            prompt_tokens_details={"cached_tokens": 50, "cached_creation_tokens": 3904},
            claude_cache_creation_5_m_tokens=904,
            claude_cache_creation_1_h_tokens=3000,
        ),
        input=4000, cached=50, cache_write=3904, cache_write_1h=3000, output=20,
    ),
    _body(
        "Anthropic behind Bifrost, written tokens among the cached ones",
        _chat(
            8000,
            20,
            prompt_tokens_details={
                "cached_tokens": 7000,
                "cached_write_tokens": 7000,
                "cached_write_token_details": {"cached_write_tokens_5m": 6000, "cached_write_tokens_1h": 1000},
            },
        ),
        input=8000, cache_write=7000, cache_write_1h=1000, output=20,
    ),
    _body(
        "The same, read and written",
        _chat(
            8000,
            20,
            prompt_tokens_details={"cached_tokens": 7000, "cached_read_tokens": 3000, "cached_write_tokens": 4000},
        ),
        input=8000, cached=3000, cache_write=4000, output=20,
    ),
    _body(
        "Written for an hour, and for how long the rest is not said",
        _chat(
            4000,
            20,
            cache_creation_input_tokens=3000,
            prompt_tokens_details={
                "cache_creation_token_details": {"ephemeral_5m_input_tokens": 100, "ephemeral_1h_input_tokens": 900}
            },
        ),
        input=4000, cache_write=3000, cache_write_1h=2900, output=20,
    ),
    _stream(
        "Qwen in Anthropic's names, the cache in the last event only",
        {"usage": {"input_tokens": 3602, "output_tokens": 0}},
        {
            "usage": {
                "cache_creation_input_tokens": 0,
                "cache_read_input_tokens": 3604,
                "prompt_tokens_details": {"cached_tokens": 3604},
                "output_tokens": 878,
            }
        },
        input=7206, cached=3604, output=878,
    ),
    _stream(
        "Anthropic behind a proxy, the whole prompt first and what the cache left of it last",
        {"usage": {"prompt_tokens": 10000, "completion_tokens": 1, "cache_read_input_tokens": 0}},
        {
            "usage": {
                "prompt_tokens": 200,
                "completion_tokens": 50,
                "cache_read_input_tokens": 9700,
                "cache_creation_input_tokens": 100,
            }
        },
        input=10000, cached=9700, cache_write=100, output=50,
    ),
    _body(
        "OpenAI's threads, details named in the singular",
        _chat(100, 50, prompt_token_details={"cached_tokens": 40}, completion_token_details={"reasoning_tokens": 30}),
        input=100, cached=40, output=50, reasoning=30,
    ),
    _body(
        "OpenRouter",
        _chat(194, 2, cost=0.95, prompt_tokens_details={"cached_tokens": 0, "cache_write_tokens": 100}),
        input=194, cache_write=100, output=2,
    ),
    _body(
        "Qwen",
        _chat(3019, 104, prompt_tokens_details={"cached_tokens": 1000, "cache_creation_input_tokens": 2000}),
        input=3019, cached=1000, cache_write=2000, output=104,
    ),
    _body(
        "Gemini, thoughts beside the completion",
        _chat(20, 198, 623),
        input=20, output=603,
    ),
    _body(
        "Gemini behind a proxy, nothing but thoughts",
        _chat(21, 0, 81, completion_tokens_details={"reasoning_tokens": 60}),
        input=21, output=60, reasoning=60,
    ),
    _body(
        "xAI, reasoning beside the completion",
        _chat(
            10120,
            1499,
            14428,
            prompt_tokens_details={"cached_tokens": 128},
            completion_tokens_details={"reasoning_tokens": 2809},
        ),
        input=10120, cached=128, output=4308, reasoning=2809,
    ),
    _body(
        "Perplexity, deep research",
        _chat(33, 7163, citation_tokens=20016, num_search_queries=18, reasoning_tokens=73997),
        input=20049, output=81160, reasoning=73997,
    ),
    _stream(
        "Groq, in its own extension",
        {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}], "x_groq": {"usage": _chat(23, 19)}},
        input=23, output=19,
    ),
    _stream(
        "Mistral, in the last content chunk",
        {"choices": [{"index": 0, "delta": {"content": "."}, "finish_reason": "stop"}], "usage": _chat(9, 4)},
        input=9, output=4,
    ),
    _stream(
        "Azure, in a chunk with an empty choice",
        {"choices": [{"index": 0, "delta": {}}], "usage": _chat(9, 4)},
        input=9, output=4,
    ),
    _stream(
        "vLLM, counting on with each chunk",
        {"usage": _chat(9, 0)},
        {"usage": _chat(9, 3)},
        {"usage": _chat(9, 7)},
        input=9, output=7,
    ),
    _stream(
        "MiMo, null and then the figures",
        {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}], "usage": None},
        {"usage": _chat(9, 4)},
        input=9, output=4,
    ),
    _stream(
        "Zeros after the figures",
        {"usage": _chat(9, 4)},
        {"usage": _chat(0, 0)},
        input=9, output=4,
    ),
    _stream(
        "The prompt first, the completion last",
        {"usage": {"prompt_tokens": 9, "completion_tokens": None}},
        {"usage": {"completion_tokens": 4}},
        input=9, output=4,
    ),
    _body(
        "More cached than there is input, the total says there is no more",
        _chat(100, 50, prompt_tokens_details={"cached_tokens": 900}),
        input=100, output=50,
    ),
    _body("A total below the sum", _chat(100, 50, 120), input=100, output=50),
    _body(
        "Both names, with different figures",
        {"prompt_tokens": 0, "input_tokens": 100, "completion_tokens": 50, "output_tokens": 0},
        input=100, output=50,
    ),
    _body(
        "More reasoning than completion, no total",
        {"prompt_tokens": 9, "completion_tokens": 4, "completion_tokens_details": {"reasoning_tokens": 60}},
        input=9, output=64, reasoning=60,
    ),
    _body("Decimals", {"prompt_tokens": 5.0, "completion_tokens": 3.0}, input=5, output=3),
)  # fmt: skip


def row(shape: Shape) -> str:
    """Return the shape as a row of the table in the docs."""
    stated = "<br>".join(f"`{_compact(each)}`" for each in shape.stated)
    usage = shape.usage
    counts = (usage.input, usage.cached, usage.cache_write, usage.output, usage.reasoning)
    return f"| {shape.provider} | {stated} | " + " | ".join(map(str, counts)) + " |"


def _compact(stated: Json) -> str:
    return msgspec.json.encode(stated).decode()
