"""Put the end of a Responses stream into OpenAI's shape, where a provider leaves a part of it out."""

import re
from collections.abc import Iterable
from typing import Any

import msgspec

from tidegate.wire import sse
from tidegate.wire.partial_response import assemble_items, assemble_partial, filled

Json = dict[str, Any]

_COMPLETED = b'"response.completed"'
_ITEM_DONE = b'"response.output_item.done"'
_NO_OUTPUT = re.compile(rb'"output"\s*:\s*(?:\[\s*\]|null)')
_HALF_ITEM = re.compile(
    rb'"name"\s*:\s*""'
    rb'|"(?:arguments|input)"\s*:\s*(?:""|null)'
    rb'|\{\s*"type"\s*:\s*"output_text"\s*\}'
)
"""An item without its name, arguments or text. None of them can match within a text, where quotes are escaped."""


def with_output(event: bytes, earlier: Iterable[bytes]) -> bytes:
    """Return the end of a Response, or of an item, with what came before it, if it leaves that out itself."""
    if _ITEM_DONE in event:
        return _with_whole_item(event, earlier) if _HALF_ITEM.search(event) else event
    if _COMPLETED not in event:
        return event
    if b'"output"' in event and not _NO_OUTPUT.search(event):
        return _with_whole_items(event, earlier) if _HALF_ITEM.search(event) else event
    document = _document(event)
    response = document.get("response")
    if not isinstance(response, dict) or response.get("output"):
        return event
    partial = _partial(earlier)
    output = [_completed(item) for item in partial["output"]] if partial else []
    if not output:
        return event
    return _encoded({**document, "response": {**response, "output": output}})


def _with_whole_item(event: bytes, earlier: Iterable[bytes]) -> bytes:
    document = _document(event)
    item, known = document.get("item"), _items(earlier).get(document.get("output_index", -1))
    if not isinstance(item, dict) or known is None:
        return event
    whole = filled(item, known)
    return event if whole == item else _encoded({**document, "item": whole})


def _with_whole_items(event: bytes, earlier: Iterable[bytes]) -> bytes:
    document = _document(event)
    response = document.get("response")
    output = response.get("output") if isinstance(response, dict) else None
    if not isinstance(output, list) or not all(isinstance(item, dict) for item in output):
        return event
    known = _items(earlier)
    whole = [filled(item, known.get(index)) for index, item in enumerate(output)]
    return event if whole == output else _encoded({**document, "response": {**document["response"], "output": whole}})


def _items(events: Iterable[bytes]) -> dict[int, Json]:
    try:
        return assemble_items(filter(None, map(_document, events)))
    except (AttributeError, LookupError, TypeError, ValueError):
        return {}  # items of another form than OpenAI's


def _completed(item: Json) -> Json:
    """Return an item of a completed Response, whose own end may have been left out, too."""
    return {**item, "status": "completed"} if item.get("status") == "incomplete" else item


def unfinished_end(earlier: Iterable[bytes]) -> bytes | None:
    """Return the event that ends a stream whose provider sent no terminal event, but `[DONE]`.

    The Response is `incomplete`, without a reason. None if no event carried a Response.
    """
    events = list(earlier)
    partial = _partial(events)
    if partial is None:
        return None
    last = _document(events[-1]).get("sequence_number")
    response = {**partial, "status": "incomplete", "incomplete_details": {"reason": None}}
    number = last + 1 if isinstance(last, int) else len(events)
    return _encoded({"type": "response.incomplete", "sequence_number": number, "response": response})


def _partial(events: Iterable[bytes]) -> Json | None:
    try:
        return assemble_partial(filter(None, map(_document, events)))
    except (AttributeError, LookupError, TypeError, ValueError):
        return None  # items of another form than OpenAI's


def _document(event: bytes) -> Json:
    try:
        document = msgspec.json.decode(sse.data_of(event) or b"{}")
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return {}
    return document if isinstance(document, dict) else {}


def _encoded(document: Json) -> bytes:
    return sse.encode(msgspec.json.encode(document), document["type"])
