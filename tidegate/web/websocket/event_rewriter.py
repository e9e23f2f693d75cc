"""Rewrites one request's events for the WebSocket client, and remembers its unstored response."""

from collections.abc import Callable
from typing import Any

import msgspec

from tidegate.conversations.history import is_reasoning_model
from tidegate.conversations.state_params import ENCRYPTED_REASONING
from tidegate.web.websocket.response_cache import UnstoredResponse
from tidegate.wire import sse
from tidegate.wire.socket import CreateMessage, document_frame, event_frame
from tidegate.wire.stream_observer import TERMINAL_TYPES

Json = dict[str, Any]

_CONTINUABLE_STATUSES = ("completed", "incomplete")


class EventRewriter:
    """Restores the parent's id, which the upstream does not know, and hides reasoning the client did not request.

    A reasoning model continues from its own reasoning only if the next request contains it. So the gateway requests it
    encrypted, remembers it, and removes it from the events of a client that did not request it.
    """

    def __init__(
        self, create: CreateMessage, parent: UnstoredResponse | None, *, remember: Callable[[Json], None]
    ) -> None:
        """`remember` is called with an unstored Response that can be continued."""
        self._create = create
        self._parent = parent
        self._remember = remember
        reasons = create.reasoning or is_reasoning_model(create.model)
        self._hide_reasoning = not create.store and reasons and ENCRYPTED_REASONING not in create.include

    @property
    def request_overrides(self) -> dict[str, bytes | None]:
        """Return the request fields that replace the client's. Raises InvalidParameter."""
        fields = self._parent.request_fields(self._create) if self._parent is not None else {}
        if self._hide_reasoning:
            fields["include"] = msgspec.json.encode([*self._create.include, ENCRYPTED_REASONING])
        return fields

    def to_frame(self, event: bytes) -> str | None:
        """Return a stream's event as a text frame; None for one that exists only in server-sent events."""
        if not self._needs_rewrite(event):
            return event_frame(event, self._create.stream_id)
        data = sse.data_of(event)
        if data is None:
            return None
        document = msgspec.json.decode(data)
        response = document.get("response")
        if isinstance(response, dict):
            self._rewrite_response(response, last=document.get("type") in TERMINAL_TYPES)
            document["response"] = {
                **response,
                "output": [self._visible_item(item) for item in response.get("output") or ()],
            }
        if isinstance(document.get("item"), dict):
            document["item"] = self._visible_item(document["item"])
        return document_frame(document, self._create.stream_id)

    def _needs_rewrite(self, event: bytes) -> bool:
        """Return whether the event may need changes."""
        if b'"response"' in event:
            return self._parent is not None or not self._create.store
        return self._hide_reasoning and b'"encrypted_content"' in event

    def _rewrite_response(self, response: Json, *, last: bool) -> None:
        if self._parent is not None:
            response["previous_response_id"] = self._create.previous_response_id
        remembers = last and not self._create.store and response.get("status") in _CONTINUABLE_STATUSES
        if remembers and isinstance(response.get("id"), str):
            self._remember(response)

    def _visible_item(self, item: Any) -> Any:
        if self._hide_reasoning and isinstance(item, dict) and "encrypted_content" in item:
            return {name: value for name, value in item.items() if name != "encrypted_content"}
        return item
