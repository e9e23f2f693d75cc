"""Items, responses and completions for the tests of the stores."""

from typing import Any

import msgspec

from tidegate.conversations.documents.records import ConversationItem, History, StoredCompletion, StoredResponse

AT = 1_790_000_000.0


def message(id_: str, text: str, role: str = "user") -> ConversationItem:
    """Return a message with one text."""
    kind = "output_text" if role == "assistant" else "input_text"
    document = {"id": id_, "type": "message", "role": role, "content": [{"type": kind, "text": text}]}
    return ConversationItem.from_document(msgspec.json.encode(document))


def item(id_: str, type_: str, **fields: Any) -> ConversationItem:
    """Return an item of any type."""
    return ConversationItem.from_document(msgspec.json.encode({"id": id_, "type": type_, **fields}))


def response(id_: str, **fields: Any) -> StoredResponse:
    """Return a response of gpt-4o-mini."""
    document = msgspec.json.encode({"id": id_, "object": "response", "model": "gpt-4o-mini"})
    return StoredResponse(**{"id": id_, "model": "gpt-4o-mini", "created_at": AT, "document": document, **fields})


def completion(id_: str, *messages: dict[str, Any], answer: str = "At noon.", **fields: Any) -> StoredCompletion:
    """Return a completion with these messages."""
    choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": answer}}
    document = msgspec.json.encode({"id": id_, "object": "chat.completion", "choices": [choice]})
    value = {"id": id_, "model": "gpt-4o-mini", "created_at": AT, "document": document, **fields}
    return StoredCompletion(messages=msgspec.json.encode(messages), **value)


def ids(items: tuple[ConversationItem, ...]) -> list[str]:
    """Return the ids in order."""
    return [one.id for one in items]


def texts_of(past: History) -> list[str]:
    """Return the texts of messages and the types of other items, in order."""
    items = msgspec.json.decode(b"[" + b",".join(past.items) + b"]")
    return [one["content"][0]["text"] if one["type"] == "message" else one["type"] for one in items]


def decoded(document: bytes) -> Any:
    """Return the document's values."""
    return msgspec.json.decode(document)
