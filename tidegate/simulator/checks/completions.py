"""The shape of the requests for legacy completions."""

from tidegate.simulator.checks.shapes import Array, Either, Flag, Number, Object, Text
from tidegate.simulator.checks.shared_parameters import ANY_OBJECT, TEXT

COMPLETIONS = Object(
    fields={
        "model": TEXT,
        "prompt": Either((TEXT, Array(least=1)), "one of a string or an array"),
        "best_of": Number(minimum=1, maximum=20, whole=True),
        "echo": Flag(),
        "frequency_penalty": Number(minimum=-2, maximum=2),
        "logit_bias": ANY_OBJECT,
        "logprobs": Number(minimum=0, maximum=5, whole=True),
        "max_tokens": Number(minimum=0, whole=True),
        "n": Number(minimum=1, maximum=128, whole=True),
        "presence_penalty": Number(minimum=-2, maximum=2),
        "seed": Number(whole=True),
        "stop": Either((TEXT, Array(items=Text(), most=4)), "one of a string or an array"),
        "stream": Flag(),
        "stream_options": ANY_OBJECT,
        "suffix": TEXT,
        "temperature": Number(minimum=0, maximum=2),
        "top_p": Number(minimum=0, maximum=1),
        "user": TEXT,
    },
    others=False,
)
