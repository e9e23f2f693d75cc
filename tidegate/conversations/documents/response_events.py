"""A Response's stream under its caller's own ids, each event changed as little as will do."""

from typing import Any

import msgspec

from tidegate.conversations.documents.response import Identity, ResponseForm, shown_item, whole_item
from tidegate.core.errors import MalformedAnswer
from tidegate.core.ids import IdSource
from tidegate.wire import sse

Json = dict[str, Any]

_decode = msgspec.json.Decoder()
UNLIKE = (AttributeError, LookupError, TypeError, ValueError)
"""What is raised where something is JSON, and not what it should be."""
_NO_EVENT = "The upstream's answer has not the form of a Response, so it cannot be kept."


class ResponseEvents:
    """Rewrites one stream; keeps what is needed to store it."""

    def __init__(self, identity: Identity, ids: IdSource) -> None:
        self._asked = identity.asked
        self._form = ResponseForm(identity, ids)
        self._pairs: list[tuple[bytes, bytes]] = []
        self._nameless = False
        self._done: dict[int, Json] = {}
        self._begun: Json | None = None
        self.last: Json | None = None
        """The whole document of the stream's last event, once it was seen."""

    def event(self, event: bytes, *, now: float) -> bytes:
        """An event as the caller is given it; `now` in Unix seconds."""
        if b'"response"' not in event and b'"item"' not in event and not self._nameless:
            for theirs, ours in self._pairs:
                event = event.replace(theirs, ours)
            return event
        data = sse.data_of(event)
        if data is None or data == b"[DONE]":
            return event
        try:
            document = _decode.decode(data)
            self._rewrite(document, now)
        except UNLIKE as error:
            raise MalformedAnswer(_NO_EVENT) from error
        return sse.encode(msgspec.json.encode(document), document.get("type"))

    def whole(self, body: bytes, *, now: float) -> bytes:
        """An answer that came in one piece."""
        try:
            self.last = self._form.response(_decode.decode(body), now=now)
        except UNLIKE as error:
            raise MalformedAnswer(_NO_EVENT) from error
        return msgspec.json.encode(self._shown(self.last))

    def promised(self, model: str, *, now: float) -> Json:
        """The document while it waits for its answer."""
        return self._form.response({"model": model, "status": "queued", "output": []}, now=now)

    def broken_off(self, *, now: float) -> Json | None:
        """The document as far as it came; None where nothing of it had come."""
        if self._begun is None:
            return None
        return {**self._form.response({**self._begun, "output": []}, now=now), "output": self._items()}

    def _rewrite(self, document: Json, now: float) -> None:
        response, item, index = document.get("response"), document.get("item"), document.get("output_index")
        if isinstance(response, dict):
            self._begun = self._begun or response
            full = self._form.response(response, now=now)
            if not full["output"] and full["status"] != "in_progress":
                full["output"] = self._items()  # some say at the end only that it is the end
            document["response"] = self._shown(full)
            if document.get("type") not in ("response.created", "response.in_progress", "response.queued"):
                self.last = full
        if not isinstance(index, int):
            return
        if isinstance(item, dict):
            ours = self._form.item(item, index)
            self._note(item.get("id"), index, ours, done=document.get("type") == "response.output_item.done")
            document["item"] = shown_item(ours, self._asked)
        elif (name := self._form.item_id(index)) is not None:
            document["item_id"] = name

    def _items(self) -> list[Json]:
        """Those that are done."""
        return [self._done[index] for index in sorted(self._done)]

    def _note(self, theirs: Any, index: int, ours: Json, *, done: bool) -> None:
        if done:
            self._done[index] = whole_item(ours)
        elif theirs == ours["id"]:
            return
        elif isinstance(theirs, str) and theirs:
            self._pairs.append((f'"{theirs}"'.encode(), f'"{ours["id"]}"'.encode()))
        else:
            self._nameless = True

    def _shown(self, document: Json) -> Json:
        return {**document, "output": [shown_item(item, self._asked) for item in document["output"]]}
