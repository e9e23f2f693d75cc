"""Estimates the tokens that an upstream may have written unseen.

Used by the accountant; the estimate is never too low. An answer that was cut off states no usage. The part that was
received is counted. The rest is bounded by the call's output limit, and by what can be written in the time. For a
stream that its client left, that time is from the last word that was read until the upstream notices the closed
connection: OpenAI then ends the answer.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from tidegate.core.endpoints import Endpoint
from tidegate.core.errors import ClientDisconnected
from tidegate.core.values import Outcome
from tidegate.metering import max_input_estimate
from tidegate.metering.max_cost import choice_count, max_output_tokens, requested_output_limit

_CANCEL_SECONDS_STREAMING = 0.1
"""Seconds until the upstream notices a closed connection while it is sending an answer."""
_CANCEL_SECONDS_SILENT = 1.0
"""The same, while it has not sent anything yet."""
_CALL_FRAME = 10
"""Tokens of a tool call beyond its text."""
_REASONING_MODELS = ("o1", "o3", "o4", "gpt-5")
_NOT_REASONING_MODELS = ("gpt-5-chat",)


def unseen_output(  # noqa: PLR0913  # all that is known of the answer
    outcome: Outcome,
    texts: Sequence[str],
    seen_tokens: int,
    *,
    route: Endpoint,
    model: str,
    body: Mapping[str, Any],
    tokens_per_second: int,
) -> int:
    """Return the tokens besides the `seen_tokens` of `texts`, of which at most `tokens_per_second` are written."""
    frames = _CALL_FRAME * len(texts) if body.get("tools") or body.get("functions") else 0
    remaining_output = max(0, max_output_tokens(route, model, body) - seen_tokens)
    is_cut_off, thinks = outcome.error is not None and outcome.may_be_charged, _is_reasoning(model)
    if not is_cut_off and not thinks:
        return min(remaining_output, frames)
    streams = outcome.stream or body.get("stream") is True
    client_left = streams and isinstance(outcome.error, ClientDisconnected)
    if is_cut_off and not client_left and requested_output_limit(route, body) is not None:
        return remaining_output  # the upstream was not cancelled, or writes the whole answer before it sends any of it
    is_streaming_text = texts and client_left and not thinks
    seconds = (
        outcome.silent_seconds + _CANCEL_SECONDS_STREAMING
        if is_streaming_text
        else outcome.seconds + _CANCEL_SECONDS_SILENT
    )
    return min(remaining_output, frames + math.ceil(seconds * tokens_per_second) * choice_count(body))


def _is_reasoning(model: str) -> bool:
    """Return whether the model writes reasoning first, which only the usage shows."""
    name = max_input_estimate.base_model(model)
    return name.startswith(_REASONING_MODELS) and not name.startswith(_NOT_REASONING_MODELS)
