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
from tidegate.simulator.refusal import invalid

_DIMENSIONS = {"text-embedding-3-large": 3072}
_DEFAULT_DIMENSIONS = 1536
_MAX_WORDS = 256
"""Further words of a text do not change its vector."""


def reply(body: Mapping[str, Any]) -> SimulatedReply:
    """Return a vector for each input. Raises Refusal."""
    texts, tokens = _inputs(body.get("input"), body["model"])
    size = body.get("dimensions") or _DIMENSIONS.get(body["model"], _DEFAULT_DIMENSIONS)
    if not isinstance(size, int) or not 1 <= size <= 3072:
        raise invalid("Invalid value for 'dimensions'.", param="dimensions")
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
    if not isinstance(value, list) or not value or not all(value):
        raise invalid("'$.input' is invalid. Please check the API reference: /v1/embeddings.", param="input")
    counted = tokens_for(model).count
    tokens = sum(counted(one) if isinstance(one, str) else len(one) for one in value)
    return [one if isinstance(one, str) else " ".join(map(str, one)) for one in value], tokens


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
