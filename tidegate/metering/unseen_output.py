"""Tokens that an upstream may have written and nobody saw: at most so many are charged, never fewer.

An answer that broke off says nothing of its usage. What came of it is counted. The rest is bounded by what the call may
be answered with, and by what can be written in the time; of a stream that its client left, between the last word that
was read and the upstream's learning that nobody listens: OpenAI ends an answer whose connection is cut.
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
"""Seconds until the upstream learns that nobody listens, where an answer is on its way."""
_CANCEL_SECONDS_SILENT = 1.0
"""And where it has said nothing yet."""
_CALL_FRAME = 10
"""Tokens of a tool's call that are no text of it."""
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
    """Tokens besides the `seen` ones of `texts`; `pace` is how many are written in a second at most."""
    frames = _CALL_FRAME * len(texts) if body.get("tools") or body.get("functions") else 0
    most = max(0, max_output_tokens(route, model, body) - seen_tokens)
    broken, thinks = outcome.error is not None and outcome.may_be_charged, _is_reasoning(model)
    if not broken and not thinks:
        return min(most, frames)
    streams = outcome.stream or body.get("stream") is True
    left = streams and isinstance(outcome.error, ClientDisconnected)
    if broken and not left and requested_output_limit(route, body) is not None:
        return most  # nobody told the upstream to stop, or it comes in one piece, once all of it is written
    said = texts and left and not thinks
    seconds = outcome.silent_seconds + _CANCEL_SECONDS_STREAMING if said else outcome.seconds + _CANCEL_SECONDS_SILENT
    return min(most, frames + math.ceil(seconds * tokens_per_second) * choice_count(body))


def _is_reasoning(model: str) -> bool:
    """Whether it writes thoughts first, of which only the usage tells."""
    name = max_input_estimate.base_model(model)
    return name.startswith(_REASONING_MODELS) and not name.startswith(_NOT_REASONING_MODELS)
