"""Remembers unstored responses of open connections, so that later requests can continue them. Used by web/websocket."""

from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

import msgspec

from tidegate.conversations.documents.items import input_items, upstream_items, without_dangling_reasoning
from tidegate.wire.socket import CreateMessage

Json = dict[str, Any]

CONNECTION_DIVISOR = 4
"""One connection may use a quarter of the process's memory for unstored responses."""

_items = msgspec.json.Decoder(list[msgspec.Raw])


class UnstoredResponse(msgspec.Struct, frozen=True, kw_only=True):
    """An unstored response, with what a request needs to continue it."""

    stream_id: str | None
    """The stream it was sent on."""
    stored_parent: str | None
    """The stored response before its items; None if they start the conversation."""
    items: tuple[bytes, ...]
    """The items since then, each as JSON."""
    size: int
    """Size of the items in bytes."""

    def request_fields(self, create: CreateMessage) -> dict[str, bytes | None]:
        """Return the fields of a request that continues this response, for an upstream that does not know it."""
        items = b",".join([*self.items, *items_in(create)])
        base = None if self.stored_parent is None else msgspec.json.encode(self.stored_parent)
        return {"input": b"[" + items + b"]", "previous_response_id": base}


class UnstoredResponses:
    """The unstored responses of all connections of a process, bounded in total."""

    def __init__(self, max_bytes: int) -> None:
        """Beyond `max_bytes`, the least recently continued response of any connection is dropped."""
        self._max_bytes = max_bytes
        self._total_bytes = 0
        self._responses: OrderedDict[tuple[int, str], UnstoredResponse] = OrderedDict()
        self._next_owner = 0

    def __repr__(self) -> str:
        return f"<UnstoredResponses: {len(self._responses)} responses, {self._total_bytes} bytes>"

    def for_connection(self) -> "ConnectionResponses":
        """Return the view of a new connection."""
        self._next_owner += 1
        return ConnectionResponses(self, self._next_owner, self._max_bytes // CONNECTION_DIVISOR)

    def find(self, key: tuple[int, str]) -> UnstoredResponse | None:
        """Return the response with this key, if it is remembered."""
        response = self._responses.get(key)
        if response is not None:
            self._responses.move_to_end(key)
        return response

    def put(self, key: tuple[int, str], response: UnstoredResponse) -> None:
        """Add a response, and drop others beyond the bound."""
        self.drop(key)
        self._responses[key] = response
        self._total_bytes += response.size
        while self._total_bytes > self._max_bytes:
            self.drop(next(iter(self._responses)))

    def drop(self, key: tuple[int, str]) -> None:
        """Drop a response."""
        if (response := self._responses.pop(key, None)) is not None:
            self._total_bytes -= response.size


class ConnectionResponses:
    """The unstored responses of one open connection."""

    def __init__(self, all_responses: UnstoredResponses, owner: int, max_bytes: int) -> None:
        self._all_responses = all_responses
        self._owner = owner
        self._max_bytes = max_bytes
        self._sizes: OrderedDict[str, int] = OrderedDict()

    def find(self, response_id: str | None) -> UnstoredResponse | None:
        """Return an unstored response that was sent on this connection."""
        return self._all_responses.find((self._owner, response_id)) if response_id is not None else None

    def remember(self, create: CreateMessage, parent: UnstoredResponse | None, response: Mapping[str, Any]) -> None:
        """Remember the response to `create`, which continues `parent` if that is unstored, too."""
        said = upstream_items(item for item in response.get("output") or () if isinstance(item, dict))
        output = without_dangling_reasoning(said)
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
        """Drop a response."""
        self._sizes.pop(response_id, None)
        self._all_responses.drop((self._owner, response_id))

    def close(self) -> None:
        """Drop the connection's responses."""
        for response_id in list(self._sizes):
            self.forget(response_id)


def items_in(create: CreateMessage) -> list[bytes]:
    """Return the items of a request's input, each as JSON. Raises InvalidParameter."""
    raw = create.fields.get("input", msgspec.Raw(b"null"))
    try:
        return [bytes(item) for item in _items.decode(raw)]
    except msgspec.DecodeError:
        return [msgspec.json.encode(item) for item in input_items(msgspec.json.decode(raw))]
