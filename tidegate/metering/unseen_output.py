"""Estimates the tokens that an upstream may have written unseen.

Used by the accountant. The estimate is too low only where a provider writes faster or stops later than is known of it.
An answer that was cut off states no usage. The part that was received is counted. The rest is bounded by the call's
output limit, and by what can be written in the time. For an answer that its client left, that time is from the last
word that was read until the provider has noticed the closed connection and stopped. Which answers a provider stops, and
how fast, its configuration says.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import msgspec

from tidegate.core.endpoints import Endpoint
from tidegate.core.errors import ClientDisconnected, ShuttingDown
from tidegate.core.values import Outcome
from tidegate.metering import max_input_estimate
from tidegate.metering.max_cost import choice_count, max_output_tokens, requested_output_limit

_SECONDS_AFTER_FAILURE = 1.0
"""For which an upstream is assumed to write on after an answer failed in another way."""
_HANG_UP_SECONDS = 0.05
"""In which a closed connection is known to the provider's edge: half of a round trip around the world, or less."""
_SEEN_HANG_UP_SECONDS = 0.02
"""Instead, where the provider hung up, too: between its server's notice and its work; its delay, if that is longer."""
_CALL_FRAME = 10
"""Tokens of a tool call beyond its text."""
_REASONING_MODELS = ("o1", "o3", "o4", "gpt-5")
_NOT_REASONING_MODELS = ("gpt-5-chat",)


class WritingLimits(msgspec.Struct, frozen=True, kw_only=True):
    """How fast an upstream writes, and when it stops."""

    tokens_per_second: float
    """The most that it writes of one text."""
    earliest_seconds: float = 0.0
    """Seconds before which it writes nothing visible."""
    cancels: Literal["never", "streams", "always"] = "streams"
    """Which answers it stops writing when the connection is cut."""
    stop_seconds: float = 0.1
    """How long it writes on, at most, after the connection was cut."""

    def stops(self, outcome: Outcome, *, streams: bool) -> bool:
        """Return whether it stopped because the gateway hung up."""
        left = isinstance(outcome.error, ClientDisconnected | ShuttingDown)
        return left and (self.cancels == "always" or (streams and self.cancels == "streams"))


def unseen_output(  # noqa: PLR0913  # all that is known of the answer
    outcome: Outcome,
    texts: Sequence[str],
    seen_tokens: int,
    *,
    route: Endpoint,
    model: str,
    body: Mapping[str, Any],
    limits: WritingLimits,
) -> int:
    """Return the tokens besides the `seen_tokens` of `texts` that may have been written, within `limits`."""
    frames = _CALL_FRAME * len(texts) if body.get("tools") or body.get("functions") else 0
    remaining_output = max(0, max_output_tokens(route, model, body) - seen_tokens)
    is_cut_off, thinks = outcome.error is not None and outcome.may_be_charged, is_reasoning(model)
    if not is_cut_off and not thinks:
        return min(remaining_output, frames)
    streams = outcome.stream or body.get("stream") is True
    was_cancelled = limits.stops(outcome, streams=streams)
    works_on = is_cut_off and not was_cancelled
    if works_on and (limits.cancels == "never" or requested_output_limit(route, body) is not None):
        return remaining_output  # the upstream was not cancelled, or writes the whole answer before it sends any of it
    seconds = _unseen_seconds(outcome, limits, reads_text=bool(texts), thinks=thinks, was_cancelled=was_cancelled)
    return min(remaining_output, frames + math.ceil(seconds * limits.tokens_per_second) * choice_count(body))


def _unseen_seconds(
    outcome: Outcome, limits: WritingLimits, *, reads_text: bool, thinks: bool, was_cancelled: bool
) -> float:
    """Return the time in which the upstream may have written what was not seen."""
    if not was_cancelled:
        return outcome.seconds + _SECONDS_AFTER_FAILURE
    notice = max(_SEEN_HANG_UP_SECONDS, outcome.hang_up_delay) if outcome.hang_up_was_seen else _HANG_UP_SECONDS
    afterwards = notice + limits.stop_seconds
    if thinks:  # thoughts are written while nothing visible is
        return outcome.seconds - outcome.writing_seconds + afterwards
    if reads_text:
        return outcome.silent_seconds + afterwards
    return max(0.0, outcome.seconds + afterwards - limits.earliest_seconds)


def is_reasoning(model: str) -> bool:
    """Return whether the model writes reasoning first, which only the usage shows."""
    name = max_input_estimate.base_model(model)
    return name.startswith(_REASONING_MODELS) and not name.startswith(_NOT_REASONING_MODELS)
