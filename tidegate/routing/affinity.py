"""Which target a conversation stays with, where a route chooses by weight. Pure.

An account keeps the beginning of a prompt in its cache, and charges less for it when it comes again. A conversation
that changes its account pays for its whole beginning anew. So the order of the targets is not drawn for each call: it
follows from the conversation, by rendezvous hashing with weights. No state is needed, and all replicas agree. A target
that is removed, or down, moves its own conversations only.
"""

import hashlib
from collections.abc import Iterable, Iterator
from typing import Any

from tidegate.core.endpoints import Format
from tidegate.providers.target import Target
from tidegate.routing.routes import Draw
from tidegate.wire.call import Call

_MAX_SYSTEM_CHARACTERS = 1_000
"""What is read of the instructions. Callers change their end (the time, what was found), which ends the prefix, too."""
_MAX_TEXT_CHARACTERS = 50_000
"""What is read of one text of the first message."""
_INSTRUCTING = frozenset({"system", "developer"})
_TEXT_FIELDS = ("text", "image_url", "url", "file", "file_id", "file_url", "file_data", "input_audio", "data")
"""The fields of a message's parts that hold its words, images and files, and stay the same when it is stored."""
_DIGEST_BYTES = 16
_RANDOM_BITS = 53


def conversation_key(call: Call, *, project: str, conversation: str | None) -> bytes | None:
    """Return what tells a conversation from others; None where a call is no part of one.

    That is the caller's `prompt_cache_key`, else the id of the conversation, else the call's first message from a user
    with the beginning of its instructions. A call that continues a stored response has its history in its input.
    """
    if call.endpoint.format is Format.PLAIN:
        return None
    cache_key = call.body.get("prompt_cache_key")
    if isinstance(cache_key, str) and cache_key:
        return _digest(("cache key", project, cache_key))
    if conversation:
        return _digest(("conversation", project, conversation))
    beginning = _beginning(call)
    return _digest(("message", project, *beginning)) if any(beginning) else None


def draw_of(key: bytes) -> Draw:
    """Return a draw that gives each target always the same number for this key."""

    def draw(target: Target) -> float:
        name = "\n".join((target.name, *target.credentials))
        digest = hashlib.blake2b(name.encode(errors="replace"), key=key, digest_size=8).digest()
        return (int.from_bytes(digest) >> (64 - _RANDOM_BITS)) / (1 << _RANDOM_BITS)

    return draw


def _digest(parts: Iterable[str]) -> bytes:
    digest = hashlib.blake2b(digest_size=_DIGEST_BYTES)
    for part in parts:
        encoded = part.encode(errors="replace")
        digest.update(len(encoded).to_bytes(8))
        digest.update(encoded)
    return digest.digest()


def _beginning(call: Call) -> list[str]:
    """Return the beginning of the instructions, and the texts of the first message that is not one of them."""
    body = call.body
    said = body.get("messages") if call.endpoint.format is Format.CHAT else body.get("input")
    instructions = body.get("instructions")
    system = instructions[:_MAX_SYSTEM_CHARACTERS] if isinstance(instructions, str) else ""
    if isinstance(said, str):
        return [system, said[:_MAX_TEXT_CHARACTERS]]
    for message in said if isinstance(said, list) else ():
        if not isinstance(message, dict):
            continue
        texts = _texts(message.get("content"))
        if message.get("role") not in _INSTRUCTING:
            return [system, *texts]
        while len(system) < _MAX_SYSTEM_CHARACTERS and (text := next(texts, None)) is not None:
            system = (system + text)[:_MAX_SYSTEM_CHARACTERS]
    return [system]


def _texts(value: Any) -> Iterator[str]:
    """Return the texts of a message's content, whatever form it has."""
    if isinstance(value, str):
        yield value[:_MAX_TEXT_CHARACTERS]
    elif isinstance(value, list):
        for part in value:
            yield from _texts(part)
    elif isinstance(value, dict):
        for name in _TEXT_FIELDS:
            if name in value:
                yield from _texts(value[name])
