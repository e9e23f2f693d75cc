"""The shapes of the requests for embeddings and moderations."""

from tidegate.simulator.checks.shapes import Array, Either, Number, Object, Tagged, Text
from tidegate.simulator.checks.shared_parameters import TEXT, TEXT_OR_PARTS

EMBEDDINGS = Object(
    fields={
        "dimensions": Number(minimum=1, maximum=3072, whole=True),
        "encoding_format": Text(values=("float", "base64")),
        "input": Either((TEXT, Array()), "one of a string or an array"),
        "model": TEXT,
        "user": TEXT,
    },
    others=False,
)
_IMAGE = Object(fields={"image_url": Object(fields={"url": TEXT}, required=("url",))}, required=("image_url",))
_PART = Tagged(kinds={"text": Object(fields={"text": TEXT}, required=("text",)), "image_url": _IMAGE})
_INPUT = Either((TEXT, _PART), "one of a string or an object")
MODERATIONS = Object(
    fields={"input": Either((TEXT, Array(items=_INPUT, least=1)), TEXT_OR_PARTS), "model": TEXT},
    required=("input",),
    others=False,
)
