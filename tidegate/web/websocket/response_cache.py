"""What connections remember of the responses they were given and that nobody stored."""

from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

import msgspec

from tidegate.conversations.documents.items import input_items, upstream_items
from tidegate.wire.socket import CreateMessage

Json = dict[str, Any]

CONNECTION_DIVISOR = 4
"""One connection may have so large a part of what all of a process may remember: a quarter."""

_items = msgspec.json.Decoder(list[msgspec.Raw])


class UnstoredResponse(msgspec.Struct, frozen=True, kw_only=True):
    """A response, and how to go on from it."""

    stream_id: str | None
    """The stream it was given on."""
    stored_parent: str | None
    """The stored response that its items go on from; None where they begin the conversation."""
    items: tuple[bytes, ...]
    """What was said since then, each item as JSON."""
    size: int
    """Bytes of the items."""

    def request_fields(self, create: CreateMessage) -> dict[str, bytes | None]:
        """The fields of a request that goes on from here, changed so that nobody needs to know this response."""
        items = b",".join([*self.items, *items_in(create)])
        base = None if self.stored_parent is None else msgspec.json.encode(self.stored_parent)
        return {"input": b"[" + items + b"]", "previous_response_id": base}


class UnstoredResponses:
    """Where all connections of a process put theirs, with one bound for all of them."""

    def __init__(self, max_bytes: int) -> None:
        """What has not been gone on from for longest is forgotten first, whosever it is."""
        self._max_bytes = max_bytes
        self._total_bytes = 0
        self._responses: OrderedDict[tuple[int, str], UnstoredResponse] = OrderedDict()
        self._next_owner = 0

    def __repr__(self) -> str:
        return f"<Shelf: {len(self._responses)} responses, {self._total_bytes} bytes>"

    def for_connection(self) -> "ConnectionResponses":
        """A new connection's own."""
        self._next_owner += 1
        return ConnectionResponses(self, self._next_owner, self._max_bytes // CONNECTION_DIVISOR)

    def find(self, key: tuple[int, str]) -> UnstoredResponse | None:
        """What is remembered under this key."""
        known = self._responses.get(key)
        if known is not None:
            self._responses.move_to_end(key)
        return known

    def put(self, key: tuple[int, str], response: UnstoredResponse) -> None:
        """Remember it, and forget what there is no more room for."""
        self.drop(key)
        self._responses[key] = response
        self._total_bytes += response.size
        while self._total_bytes > self._max_bytes:
            self.drop(next(iter(self._responses)))

    def drop(self, key: tuple[int, str]) -> None:
        """Forget it."""
        if (known := self._responses.pop(key, None)) is not None:
            self._total_bytes -= known.size


class ConnectionResponses:
    """One connection's own, as long as it is open."""

    def __init__(self, all_responses: UnstoredResponses, owner: int, max_bytes: int) -> None:
        self._all_responses = all_responses
        self._owner = owner
        self._max_bytes = max_bytes
        self._sizes: OrderedDict[str, int] = OrderedDict()

    def find(self, response_id: str | None) -> UnstoredResponse | None:
        """A response that was given on this connection and not stored."""
        return self._all_responses.find((self._owner, response_id)) if response_id is not None else None

    def remember(self, create: CreateMessage, parent: UnstoredResponse | None, response: Mapping[str, Any]) -> None:
        """Remember what was answered to `create`, which goes on from `parent` if it is not stored either."""
        output = upstream_items(item for item in response.get("output") or () if isinstance(item, dict))
        before = parent.items if parent is not None else ()
        base = parent.stored_parent if parent is not None else create.previous_response_id
        items = (*before, *items_in(create), *(msgspec.json.encode(item) for item in output))
        size = sum(len(item) for item in items)
        name = response["id"]
        self.forget(name)
        if size > self._max_bytes:
            return
        self._sizes[name] = size
        while sum(self._sizes.values()) > self._max_bytes:
            self.forget(next(iter(self._sizes)))
        self._all_responses.put(
            (self._owner, name),
            UnstoredResponse(stream_id=create.stream_id, stored_parent=base, items=items, size=size),
        )

    def forget(self, response_id: str) -> None:
        """Remember it no more."""
        self._sizes.pop(response_id, None)
        self._all_responses.drop((self._owner, response_id))

    def close(self) -> None:
        """The connection is closed."""
        for response_id in list(self._sizes):
            self.forget(response_id)


def items_in(create: CreateMessage) -> list[bytes]:
    """The items of a request's input, each as JSON. Raises InvalidParameter."""
    raw = create.fields.get("input", msgspec.Raw(b"null"))
    try:
        return [bytes(item) for item in _items.decode(raw)]
    except msgspec.DecodeError:
        return [msgspec.json.encode(item) for item in input_items(msgspec.json.decode(raw))]
