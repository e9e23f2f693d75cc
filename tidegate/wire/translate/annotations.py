"""What is noted on a text, from chat to Responses: annotations, and the log probabilities of its tokens."""

from collections.abc import Mapping
from typing import Any

Json = dict[str, Any]


def annotation_of(said: Mapping[str, Any]) -> Json:
    """A note on the text as Responses writes it: chat has its fields one level down."""
    inner = said.get(str(said.get("type")))
    return {"type": said.get("type"), **inner} if isinstance(inner, Mapping) else dict(said)


def logprob_of(said: Json) -> Json:
    """A token's log probability as Responses writes it: the bytes are always there."""
    top = said.get("top_logprobs")
    return {
        **_token(said),
        "top_logprobs": [_token(other) for other in top if isinstance(other, dict)] if isinstance(top, list) else [],
    }


def _token(said: Json) -> Json:
    token = str(said.get("token", ""))
    spelled = said.get("bytes")
    return {
        "token": token,
        "logprob": said.get("logprob", 0.0),
        "bytes": spelled if isinstance(spelled, list) else list(token.encode(errors="replace")),
    }
