"""What a connection remembers of the responses it was given and that nobody stored."""

from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

import msgspec

from tidegate.conversations.items import as_items, for_upstream
from tidegate.wire.socket import Create

Json = dict[str, Any]

_items = msgspec.json.Decoder(list[msgspec.Raw])


class Remembered(msgspec.Struct, frozen=True, kw_only=True):
    """A response, and how to go on from it."""

    stream_id: str | None
    """The stream it was given on."""
    base: str | None
    """The stored response that its items go on from; None where they begin the conversation."""
    items: tuple[bytes, ...]
    """What was said since then, each item as JSON."""
    size: int
    """Bytes of the items."""

    def before(self, create: Create) -> dict[str, bytes | None]:
        """The fields of a request that goes on from here, changed so that nobody needs to know this response."""
        items = b",".join([*self.items, *items_in(create)])
        base = None if self.base is None else msgspec.json.encode(self.base)
        return {"input": b"[" + items + b"]", "previous_response_id": base}


class Memory:
    """The connection's own: the most recent responses, up to so many bytes. Gone with the connection."""

    def __init__(self, most_bytes: int) -> None:
        """The latest one is always kept: no request is larger than a message may be."""
        self._most = most_bytes
        self._size = 0
        self._known: OrderedDict[str, Remembered] = OrderedDict()

    def find(self, response_id: str | None) -> Remembered | None:
        """A response that was given on this connection and not stored."""
        return self._known.get(response_id) if response_id is not None else None

    def keep(self, create: Create, parent: Remembered | None, response: Mapping[str, Any]) -> None:
        """Remember what was answered to `create`, which goes on from `parent` if it is not stored either."""
        output = for_upstream(item for item in response.get("output") or () if isinstance(item, dict))
        before = parent.items if parent is not None else ()
        base = parent.base if parent is not None else create.previous
        items = (*before, *items_in(create), *(msgspec.json.encode(item) for item in output))
        size = sum(len(item) for item in items)
        self.forget(response["id"])
        self._known[response["id"]] = Remembered(stream_id=create.stream_id, base=base, items=items, size=size)
        self._size += size
        while self._size > self._most and len(self._known) > 1:
            self.forget(next(iter(self._known)))

    def forget(self, response_id: str) -> None:
        """Remember it no more."""
        if (known := self._known.pop(response_id, None)) is not None:
            self._size -= known.size


def items_in(create: Create) -> list[bytes]:
    """The items of a request's input, each as JSON. Raises InvalidParameter."""
    raw = create.fields.get("input", msgspec.Raw(b"null"))
    try:
        return [bytes(item) for item in _items.decode(raw)]
    except msgspec.DecodeError:
        return [msgspec.json.encode(item) for item in as_items(msgspec.json.decode(raw))]
