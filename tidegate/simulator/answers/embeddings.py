"""POST /v1/embeddings. Texts that share words have vectors that are close."""

import base64
import hashlib
import math
import re
from array import array
from collections.abc import Mapping
from operator import add
from typing import Any

from tidegate.simulator.answers.counting import tokens_for
from tidegate.simulator.answers.reply import SimulatedReply
from tidegate.simulator.refusal import Refusal, invalid

_DIMENSIONS = {"text-embedding-3-large": 3072, "text-embedding-3-small": 1536, "text-embedding-ada-002": 1536}
_DEFAULT_DIMENSIONS = 1536
_MAX_INPUTS = 2048
_MAX_TOKENS = 8192
"""Tokens of one input."""
_MAX_ALL_TOKENS = 300_000
"""Tokens of all inputs of a request."""
_MAX_WORDS = 256
"""Further words of a text do not change its vector."""


def reply(body: Mapping[str, Any]) -> SimulatedReply:
    """Return a vector for each input. Raises Refusal."""
    texts, tokens = _inputs(body.get("input"), body["model"])
    size = body.get("dimensions") or _DIMENSIONS.get(body["model"], _DEFAULT_DIMENSIONS)
    if size > _DIMENSIONS.get(body["model"], size):
        message = (
            f"Invalid value for 'dimensions' = {size}. Must be less than or equal to {_DIMENSIONS[body['model']]}."
        )
        raise invalid(message, param="dimensions")
    packed = body.get("encoding_format") == "base64"
    vectors = [vector(text, size) for text in texts]
    data = [
        {"object": "embedding", "index": number, "embedding": _packed(values) if packed else values}
        for number, values in enumerate(vectors)
    ]
    usage = {"prompt_tokens": tokens, "total_tokens": tokens}
    answer = {"object": "list", "data": data, "model": body["model"], "usage": usage}
    return SimulatedReply(body=answer, input_tokens=tokens)


def _inputs(value: Any, model: str) -> tuple[list[str], int]:
    """Return the texts to embed, and their tokens; an input may be given as tokens."""
    if isinstance(value, str) or (isinstance(value, list) and value and isinstance(value[0], int)):
        value = [value]
    if not isinstance(value, list) or not 0 < len(value) <= _MAX_INPUTS or not all(map(_is_input, value)):
        raise invalid("'$.input' is invalid. Please check the API reference: /v1/embeddings.", param="input")
    counted = tokens_for(model).count
    counts = [counted(one) if isinstance(one, str) else len(one) for one in value]
    _check_size(counts)
    return [one if isinstance(one, str) else " ".join(map(str, one)) for one in value], sum(counts)


def _is_input(one: Any) -> bool:
    tokens = isinstance(one, list) and all(isinstance(token, int) for token in one)
    return bool(one) and (tokens or isinstance(one, str))


def _check_size(counts: list[int]) -> None:
    if (most := max(counts)) > _MAX_TOKENS:
        asked = f"{most} tokens ({most} in your prompt; 0 for the completion)"
        message = f"This model's maximum context length is {_MAX_TOKENS} tokens, however you requested {asked}."
        raise invalid(f"{message} Please reduce your prompt; or completion length.")
    if sum(counts) > _MAX_ALL_TOKENS:
        kind = "max_tokens_per_request"
        message = f"Invalid 'input': maximum request size is {_MAX_ALL_TOKENS} tokens per request."
        raise Refusal(400, message, kind=kind, code=kind)


def vector(text: str, size: int) -> list[float]:
    """Return a vector of length 1: the sum of one direction for each word."""
    words = re.findall(r"\w+", text.lower())[:_MAX_WORDS] or [text]
    total = [0.0] * size
    for word in words:
        total = list(map(add, total, _direction(word, size)))
    length = math.sqrt(sum(value * value for value in total)) or 1.0
    return [value / length for value in total]


def _direction(word: str, size: int) -> list[int]:
    return [byte - 127 for byte in hashlib.shake_128(word.encode(errors="replace")).digest(size)]


def _packed(values: list[float]) -> str:
    return base64.b64encode(array("f", values).tobytes()).decode()
