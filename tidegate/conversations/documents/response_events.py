"""Rewrites a Response's stream to its caller's own ids, and changes each event as little as possible.

Used by the response recorder.
"""

from typing import Any

import msgspec

from tidegate.conversations.documents.response import ResponseDocument, ResponseIdentity, complete_item, visible_item
from tidegate.core.errors import MalformedAnswer
from tidegate.core.ids import IdSource
from tidegate.wire import sse

Json = dict[str, Any]

_decode = msgspec.json.Decoder()
MALFORMED = (AttributeError, LookupError, TypeError, ValueError)
"""Errors that decoding raises for JSON of another form than expected."""
_NO_RESPONSE = "The upstream's answer has not the form of a Response, so it cannot be kept."


class ResponseStreamRewriter:
    """Rewrite one stream, and collect what the store needs."""

    def __init__(self, identity: ResponseIdentity, ids: IdSource) -> None:
        self._state_params = identity.state_params
        self._document = ResponseDocument(identity, ids)
        self._id_pairs: list[tuple[bytes, bytes]] = []
        self._has_items_without_id = False
        self._finished_items: dict[int, Json] = {}
        self._first_response: Json | None = None
        self.final_document: Json | None = None
        """The whole document of the stream's last event, once it was seen."""

    def rewrite_event(self, event: bytes, *, now: float) -> bytes:
        """Return an event with the caller's own ids; `now` in Unix seconds."""
        if b'"response"' not in event and b'"item"' not in event and not self._has_items_without_id:
            for upstream_id, own_id in self._id_pairs:
                event = event.replace(upstream_id, own_id)
            return event
        data = sse.data_of(event)
        if data is None or data == b"[DONE]":
            return event
        try:
            document = _decode.decode(data)
            self._rewrite(document, now)
        except MALFORMED as error:
            raise MalformedAnswer(_NO_RESPONSE) from error
        return sse.encode(msgspec.json.encode(document), document.get("type"))

    def rewrite_body(self, body: bytes, *, now: float) -> bytes:
        """Return an unstreamed answer with the caller's own ids."""
        try:
            self.final_document = self._document.response(_decode.decode(body), now=now)
        except MALFORMED as error:
            raise MalformedAnswer(_NO_RESPONSE) from error
        return msgspec.json.encode(self._visible(self.final_document))

    def placeholder(self, model: str, *, now: float) -> Json:
        """Return the document of a response that is still to be answered."""
        return self._document.response({"model": model, "status": "queued", "output": []}, now=now)

    def partial_document(self, *, now: float) -> Json | None:
        """Return the document as far as it came; None where nothing of it came."""
        if self._first_response is None:
            return None
        return {**self._document.response({**self._first_response, "output": []}, now=now), "output": self._items()}

    def _rewrite(self, document: Json, now: float) -> None:
        response, item, index = document.get("response"), document.get("item"), document.get("output_index")
        if isinstance(response, dict):
            self._first_response = self._first_response or response
            full = self._document.response(response, now=now)
            if not full["output"] and full["status"] != "in_progress":
                full["output"] = self._items()  # some upstreams send the last event without its output
            document["response"] = self._visible(full)
            if document.get("type") not in ("response.created", "response.in_progress", "response.queued"):
                self.final_document = full
        if not isinstance(index, int):
            return
        if isinstance(item, dict):
            own_item = self._document.item(item, index)
            self._note_item(item.get("id"), index, own_item, done=document.get("type") == "response.output_item.done")
            document["item"] = visible_item(own_item, self._state_params)
        elif (name := self._document.item_id(index)) is not None:
            document["item_id"] = name

    def _items(self) -> list[Json]:
        """Return the finished items."""
        return [self._finished_items[index] for index in sorted(self._finished_items)]

    def _note_item(self, upstream_id: Any, index: int, own_item: Json, *, done: bool) -> None:
        if done:
            self._finished_items[index] = complete_item(own_item)
        elif upstream_id == own_item["id"]:
            return
        elif isinstance(upstream_id, str) and upstream_id:
            self._id_pairs.append((f'"{upstream_id}"'.encode(), f'"{own_item["id"]}"'.encode()))
        else:
            self._has_items_without_id = True

    def _visible(self, document: Json) -> Json:
        return {**document, "output": [visible_item(item, self._state_params) for item in document["output"]]}
