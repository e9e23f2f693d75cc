"""Tokens that an upstream may have written and nobody saw: at most so many are charged, never fewer.

An answer that broke off says nothing of its usage. What came of it is counted. The rest is bounded by what the call may
be answered with, and by what can be written in the time; of a stream that its client left, between the last word that
was read and the upstream's learning that nobody listens: OpenAI ends an answer whose connection is cut.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from tidegate.core.endpoints import Endpoint
from tidegate.core.errors import ClientGone
from tidegate.core.values import Outcome
from tidegate.metering import max_input_estimate
from tidegate.metering.max_cost import choices_of, most_output, stated_output

_TOLD_SOON = 0.1
"""Seconds until the upstream learns that nobody listens, where an answer is on its way."""
_TOLD_LATE = 1.0
"""And where it has said nothing yet."""
_CALL_FRAME = 10
"""Tokens of a tool's call that are no text of it."""
_THINKERS = ("o1", "o3", "o4", "gpt-5")
_THINK_NOT = ("gpt-5-chat",)


def unseen_output(  # noqa: PLR0913  # all that is known of the answer
    ended: Outcome, texts: Sequence[str], seen: int, *, route: Endpoint, model: str, body: Mapping[str, Any], pace: int
) -> int:
    """Tokens besides the `seen` ones of `texts`; `pace` is how many are written in a second at most."""
    frames = _CALL_FRAME * len(texts) if body.get("tools") or body.get("functions") else 0
    most = max(0, most_output(route, model, body) - seen)
    broken, thinks = ended.error is not None and ended.taken, _thinks(model)
    if not broken and not thinks:
        return min(most, frames)
    streams = ended.stream or body.get("stream") is True
    left = streams and isinstance(ended.error, ClientGone)
    if broken and not left and stated_output(route, body) is not None:
        return most  # nobody told the upstream to stop, or it comes in one piece, once all of it is written
    said = texts and left and not thinks
    seconds = ended.silent_seconds + _TOLD_SOON if said else ended.seconds + _TOLD_LATE
    return min(most, frames + math.ceil(seconds * pace) * choices_of(body))


def _thinks(model: str) -> bool:
    """Whether it writes thoughts first, of which only the usage tells."""
    name = max_input_estimate.base(model)
    return name.startswith(_THINKERS) and not name.startswith(_THINK_NOT)
