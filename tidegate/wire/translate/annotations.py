"""Translate a text's annotations and its tokens' log probabilities from chat to Responses."""

from collections.abc import Mapping
from typing import Any

Json = dict[str, Any]


def annotation_of(annotation: Mapping[str, Any]) -> Json:
    """Return an annotation in the form of Responses: chat nests its fields one level deeper."""
    fields = annotation.get(str(annotation.get("type")))
    return {"type": annotation.get("type"), **fields} if isinstance(fields, Mapping) else dict(annotation)


def logprob_of(token: Json) -> Json:
    """Return a token's log probability in the form of Responses, which always has the bytes."""
    top = token.get("top_logprobs")
    return {
        **_token(token),
        "top_logprobs": [_token(other) for other in top if isinstance(other, dict)] if isinstance(top, list) else [],
    }


def _token(token: Json) -> Json:
    text = str(token.get("token", ""))
    encoded = token.get("bytes")
    return {
        "token": text,
        "logprob": token.get("logprob", 0.0),
        "bytes": encoded if isinstance(encoded, list) else list(text.encode(errors="replace")),
    }
