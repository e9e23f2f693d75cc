"""What a caller chooses: the places of a request that hold outside text, and texts that were made to do harm.

Most texts are built from the name of another caller's model, so that a key in Redis that is made by gluing texts
together meets the key of the other caller.
"""

import json
from collections.abc import Callable
from typing import Any

import msgspec

from tests.faults import speech
from tidegate.core import endpoints
from tidegate.core.endpoints import Endpoint

Json = dict[str, Any]

SHARED_MODEL = "tide-4o-mini"
"""The model that both callers use."""

TEXTS = {
    "plain": "harbour",
    "the model": SHARED_MODEL,
    "a suffix": f"{SHARED_MODEL}:flows",
    "another suffix": f"{SHARED_MODEL}:waiting",
    "a third suffix": f"{SHARED_MODEL}:0",
    "a slash": f"quiet/{SHARED_MODEL}",
    "a hash tag": f"{{{SHARED_MODEL}}}",
    "half a hash tag": f"}}{SHARED_MODEL}{{",
    "a colon": ":",
    "a family": "tidegate:capacity",
    "a percent sign": "tide%3A4o%2Fmini%00",
    "a glob": "*?[a-z]*",
    "a backslash": "\\x00\\",
    "a NUL": f"{SHARED_MODEL}\0",
    "a line break": f"{SHARED_MODEL}\r\nset-cookie: a=b",
    "a space": f" {SHARED_MODEL} ",
    "another case": SHARED_MODEL.upper(),
    "a homoglyph": SHARED_MODEL.replace("i", "\u0456"),
    "combined letters": "e\u0301te\u0301",
    "right to left": f"\u202e{SHARED_MODEL}\u202c",
    "an emoji": "\U0001f30a" * 8,
    "half an emoji": "\ud83c",
    "a zero-width letter": f"tide\u200b{SHARED_MODEL}",
    "a query": "'; DROP TABLE ledger; --",
    "a script": "redis.call('FLUSHALL')",
    "markup": "<script>alert(1)</script>",
    "a template": "{{7*7}}${7*7}%s%n",
    "a path": "../../etc/passwd",
    "a number": "1e999",
    "a word of JSON": "null",
    "an attribute": "__proto__",
    "only spaces": "   ",
    "nothing": "",
    "256 letters": "t" * 256,
    "257 letters": "t" * 257,
    "100 kB": "tide" * 25_000,
}
"""The texts, by name."""

_GENERATING = (endpoints.CHAT, endpoints.RESPONSES)
_ALL = (*_GENERATING, endpoints.EMBEDDINGS)


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """A place of a request that holds a text of the caller's choice."""

    name: str
    routes: tuple[Endpoint, ...] = _ALL
    put: Callable[[Json, Endpoint, str], None]
    """Put the text there; it changes the body."""


def _content(body: Json, route: Endpoint, text: str) -> None:
    if route is endpoints.CHAT:
        body["messages"] = [{"role": "user", "content": text}]
    else:
        body["input"] = text


def _tool(body: Json, route: Endpoint, text: str) -> None:
    function = {"name": text, "parameters": {"type": "object", "properties": {}}}
    body["tools"] = [{"type": "function", **({"function": function} if route is endpoints.CHAT else function)}]


def _metadata_name(body: Json, _: Endpoint, text: str) -> None:
    body["metadata"] = {text: "value"}


def _metadata_value(body: Json, _: Endpoint, text: str) -> None:
    body["metadata"] = {"name": text}


def _unknown_name(body: Json, _: Endpoint, text: str) -> None:
    body.setdefault(text or "x", "value")


def _field(name: str) -> Callable[[Json, Endpoint, str], None]:
    def put(body: Json, _: Endpoint, text: str) -> None:
        body[name] = text

    return put


PLACES = (
    Place(name="model", put=_field("model")),
    Place(name="user", put=_field("user")),
    Place(name="safety_identifier", routes=_GENERATING, put=_field("safety_identifier")),
    Place(name="prompt_cache_key", routes=_GENERATING, put=_field("prompt_cache_key")),
    Place(name="service_tier", routes=_GENERATING, put=_field("service_tier")),
    Place(name="metadata name", routes=_GENERATING, put=_metadata_name),
    Place(name="metadata value", routes=_GENERATING, put=_metadata_value),
    Place(name="content", put=_content),
    Place(name="tool name", routes=_GENERATING, put=_tool),
    Place(name="unknown field's name", put=_unknown_name),
    Place(name="unknown field's value", put=_field("x_unknown")),
)
"""The places inside a body."""

_QUESTION = b'{"model":"tide-4o-mini","input":"%s","messages":[{"role":"user","content":"%s"}]}'


def _filled(text: bytes) -> bytes:
    return _QUESTION % (text, text)


def _with(field: bytes) -> bytes:
    return _filled(b"tide")[:-1] + b"," + field + b"}"


BODIES = {
    "no byte": b"",
    "only spaces": b" \r\n\t",
    "a number": b"1",
    "a string": b'"tide"',
    "null": b"null",
    "an array": b"[]",
    "an empty object": b"{}",
    "cut JSON": _filled(b"tide")[:-3],
    "two documents": _filled(b"tide") * 2,
    "a byte order mark": b"\xef\xbb\xbf" + _filled(b"tide"),
    "UTF-16": _filled(b"tide").decode().encode("utf-16"),
    "no UTF-8": _filled(b"\xff\xfe"),
    "half a surrogate": _filled(b"\\ud83c"),
    "NaN": _with(b'"temperature":NaN'),
    "a huge number": _with(b'"temperature":1e999'),
    "a number of 5,000 digits": _with(b'"seed":' + b"9" * 5_000),
    "a negative maximum": _with(b'"max_tokens":-1,"max_output_tokens":-1'),
    "a maximum beyond 64 bits": _with(b'"max_tokens":99999999999999999999,"max_output_tokens":99999999999999999999'),
    "a field twice": _with(b'"model":"other"'),
    "another case of a field": _with(b'"Model":"other"'),
    "900 levels": _with(b'"x":' + b"[" * 900 + b"]" * 900),
    "100,000 levels": _with(b'"x":' + b"[" * 100_000 + b"]" * 100_000),
    "20,000 fields": _with(b",".join(b'"f%d":%d' % (number, number) for number in range(20_000))),
    "a megabyte": _filled(b"tide " * 100_000),
}
"""Whole bodies, by name."""


def body_with(place: Place, text: str, route: Endpoint, *, stream: bool) -> bytes:
    """Return the request of a caller that chose this text for this place."""
    body = speech.request(route, SHARED_MODEL, stream=stream)
    place.put(body, route, TEXTS[text])
    return _encoded(body)


def whole_body(name: str, *, stream: bool) -> bytes:
    """Return one of the whole bodies, as a request for a stream where it is an object and `stream` is set."""
    body = BODIES[name]
    return body[:-1] + b',"stream":true}' if stream and body.startswith(_QUESTION[:20]) else body


def _encoded(body: Json) -> bytes:
    # not msgspec, which refuses half a surrogate pair: clients in JavaScript send it, escaped
    return json.dumps(body).encode()
