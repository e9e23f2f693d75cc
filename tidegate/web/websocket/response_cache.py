"""What connections remember of the responses they were given and that nobody stored."""

from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

import msgspec

from tidegate.conversations.documents.items import as_items, for_upstream
from tidegate.wire.socket import Create

Json = dict[str, Any]

SHARE = 4
"""One connection may have so large a part of what all of a process may remember: a quarter."""

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


class Shelf:
    """Where all connections of a process put theirs, with one bound for all of them."""

    def __init__(self, most_bytes: int) -> None:
        """What has not been gone on from for longest is forgotten first, whosever it is."""
        self._most = most_bytes
        self._size = 0
        self._known: OrderedDict[tuple[int, str], Remembered] = OrderedDict()
        self._next = 0

    def __repr__(self) -> str:
        return f"<Shelf: {len(self._known)} responses, {self._size} bytes>"

    def compartment(self) -> "Compartment":
        """A new connection's own."""
        self._next += 1
        return Compartment(self, self._next, self._most // SHARE)

    def find(self, key: tuple[int, str]) -> Remembered | None:
        """What is remembered under this key."""
        known = self._known.get(key)
        if known is not None:
            self._known.move_to_end(key)
        return known

    def put(self, key: tuple[int, str], what: Remembered) -> None:
        """Remember it, and forget what there is no more room for."""
        self.drop(key)
        self._known[key] = what
        self._size += what.size
        while self._size > self._most:
            self.drop(next(iter(self._known)))

    def drop(self, key: tuple[int, str]) -> None:
        """Forget it."""
        if (known := self._known.pop(key, None)) is not None:
            self._size -= known.size


class Compartment:
    """One connection's own, as long as it is open."""

    def __init__(self, shelf: Shelf, owner: int, most_bytes: int) -> None:
        self._shelf = shelf
        self._owner = owner
        self._most = most_bytes
        self._sizes: OrderedDict[str, int] = OrderedDict()

    def find(self, response_id: str | None) -> Remembered | None:
        """A response that was given on this connection and not stored."""
        return self._shelf.find((self._owner, response_id)) if response_id is not None else None

    def keep(self, create: Create, parent: Remembered | None, response: Mapping[str, Any]) -> None:
        """Remember what was answered to `create`, which goes on from `parent` if it is not stored either."""
        output = for_upstream(item for item in response.get("output") or () if isinstance(item, dict))
        before = parent.items if parent is not None else ()
        base = parent.base if parent is not None else create.previous
        items = (*before, *items_in(create), *(msgspec.json.encode(item) for item in output))
        size = sum(len(item) for item in items)
        name = response["id"]
        self.forget(name)
        if size > self._most:
            return
        self._sizes[name] = size
        while sum(self._sizes.values()) > self._most:
            self.forget(next(iter(self._sizes)))
        self._shelf.put((self._owner, name), Remembered(stream_id=create.stream_id, base=base, items=items, size=size))

    def forget(self, response_id: str) -> None:
        """Remember it no more."""
        self._sizes.pop(response_id, None)
        self._shelf.drop((self._owner, response_id))

    def close(self) -> None:
        """The connection is closed."""
        for response_id in list(self._sizes):
            self.forget(response_id)


def items_in(create: Create) -> list[bytes]:
    """The items of a request's input, each as JSON. Raises InvalidParameter."""
    raw = create.fields.get("input", msgspec.Raw(b"null"))
    try:
        return [bytes(item) for item in _items.decode(raw)]
    except msgspec.DecodeError:
        return [msgspec.json.encode(item) for item in as_items(msgspec.json.decode(raw))]
