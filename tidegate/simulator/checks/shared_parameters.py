"""The parameters that chat and responses share."""

from collections.abc import Mapping

from tidegate.simulator.checks.shapes import Array, Either, Flag, Number, Object, Pairs, Shape, Text

FLAG = Flag()
TEXT = Text()
ANY_OBJECT = Object()
LONG = Text(most=64)
"""A name of the caller's own for something."""
WORD = Text(least=1, most=64, pattern="^[a-zA-Z0-9_-]+$")
"""The name of a function or of a schema."""
TEXT_OR_PARTS = "one of a string or an array of objects"


def content(parts: Shape) -> Shape:
    """Return a message's content: text, or a list of parts."""
    return Either((TEXT, Array(items=parts)), TEXT_OR_PARTS)


COMMON: Mapping[str, Shape] = {
    "metadata": Pairs(values=Text(most=512), most=16, most_in_name=64),
    "model": TEXT,
    "moderation": ANY_OBJECT,
    "parallel_tool_calls": FLAG,
    "prompt_cache_key": LONG,
    "prompt_cache_options": ANY_OBJECT,
    "prompt_cache_retention": Text(values=("in_memory", "24h")),
    "safety_identifier": LONG,
    "service_tier": Text(values=("auto", "default", "flex", "scale", "priority", "fast")),
    "store": FLAG,
    "stream": FLAG,
    "stream_options": ANY_OBJECT,
    "temperature": Number(minimum=0, maximum=2),
    "top_logprobs": Number(minimum=0, maximum=20, whole=True),
    "top_p": Number(minimum=0, maximum=1),
    "user": TEXT,
}
EFFORTS = Text(values=("none", "minimal", "low", "medium", "high", "xhigh", "max"))
VERBOSITY = Text(values=("low", "medium", "high"))
DETAIL = Text(values=("low", "high", "auto", "original"))
