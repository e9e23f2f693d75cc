"""Tell of which tool call each piece in a chat stream is a part: providers number and name them in several ways.

OpenAI numbers the calls of a choice, and sends a call's id and name with its first piece only. Others give each call
the index 0, or none, repeat id and name with each piece, or send them empty.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

Json = dict[str, Any]

_KINDS = (("function", "arguments"), ("custom", "input"))
"""Where a piece has its name and its text, by the kind of tool."""


_OWN_END = frozenset(
    {"end_turn", "eos", "eos_token", "function_call", "function_calls", "stop", "tool_call", "tool_calls", "tool_use"}
)
"""Words for an end that the model chose, in lower case."""
CALLED = "tool_calls"
"""OpenAI's word for an end with tool calls."""


def reason_with_calls(reason: Any) -> Any:
    """Return why an answer with tool calls ended, in OpenAI's word where it ended by itself.

    Gemini and others say `stop`, and clients then do not run the calls.
    """
    return CALLED if isinstance(reason, str) and reason.lower() in _OWN_END else reason


_NO_IDS = ("null", "None", "undefined")
"""Words that stand for no id: some providers write a missing value as a text."""


class _Piece(msgspec.Struct, frozen=True):
    """One piece, read leniently."""

    index: int | None
    id: str
    name: str
    text: str
    is_custom: bool


class _Call:
    """One call as far as it has arrived."""

    def __init__(self, number: int, first: _Piece) -> None:
        self.number = number
        self.stated_index = first.index
        self.id = first.id
        self.name = first.name
        self.is_custom = first.is_custom
        self._texts = [first.text]

    @property
    def text(self) -> str:
        """The arguments, or the input of a custom tool, so far."""
        return "".join(self._texts)

    def takes_as_it_is(self, piece: Any) -> bool:
        """Add a piece that is nothing but more arguments for this index; return whether it is."""
        if not isinstance(piece, dict) or len(piece) != 2 or not self.number == self.stated_index == piece.get("index"):
            return False
        function = piece.get("function")
        if not isinstance(function, dict) or len(function) != 1 or not isinstance(function.get("arguments"), str):
            return False
        self._texts.append(function["arguments"])
        return True

    def add(self, piece: _Piece) -> None:
        self.id = self.id or piece.id
        self.name = piece.name or self.name
        self.is_custom = self.is_custom or piece.is_custom
        self._texts.append(piece.text)

    def is_over(self) -> bool:
        """Whether its text is complete, so that no more can follow."""
        text = self.text
        if self.is_custom:
            return bool(text)
        return text.rstrip()[-1:] in ("}", "]") and is_json(text)

    def is_usable(self) -> bool:
        """Whether a caller can run it: it has a name, and arguments that are JSON or left out."""
        return bool(self.name) and (self.is_custom or not self.text.strip() or is_json(self.text))

    def repeats(self, piece: _Piece) -> bool:
        """Whether a piece that follows the complete text brings nothing new."""
        return not piece.text.strip() or piece.text == self.text


class ToolCalls:
    """The tool calls of one choice, as far as their pieces have arrived."""

    def __init__(self) -> None:
        self._calls: list[_Call] = []
        self._latest: _Call | None = None
        self._named_in_delta: set[int] = set()
        """The numbers of the calls that the present delta has named."""

    def is_usable(self) -> bool:
        """Whether a caller can run every call."""
        return all(call.is_usable() for call in self._calls)

    def place(self, pieces: list[Any]) -> list[Any]:
        """Return the pieces of one delta as OpenAI writes them: numbered, and identified in the first piece only.

        Pieces that only continue the latest call, as most do, are returned as they are.
        """
        if len(pieces) == 1 and self._latest is not None and self._latest.takes_as_it_is(pieces[0]):
            return pieces
        self._named_in_delta.clear()
        return [self._place(piece) if isinstance(piece, Mapping) else piece for piece in pieces]

    def _place(self, document: Mapping[str, Any]) -> Json:
        piece = _read(document)
        call = self._continued_call(piece)
        is_first = call is None
        if call is None:
            call = _Call(len(self._calls), piece)
            self._calls.append(call)
        placed = _written(document, piece, call.number, None if is_first else call)
        if not is_first and not _only_repeats(call, piece):
            call.add(piece)
        if piece.name:
            self._named_in_delta.add(call.number)
        self._latest = call
        return placed

    def _continued_call(self, piece: _Piece) -> _Call | None:
        """Return the call that a piece continues; None where it begins another one."""
        call = self._candidate(piece)
        if call is None or self._is_another(call, piece):
            return None
        return call

    def _candidate(self, piece: _Piece) -> _Call | None:
        """Return the call that a piece points at, by its id, else its index, else its place in the stream."""
        same_id = next((call for call in reversed(self._calls) if piece.id and call.id == piece.id), None)
        if same_id is not None:
            return same_id
        if piece.index is not None:
            same_index = next((call for call in reversed(self._calls) if call.stated_index == piece.index), None)
            if same_index is not None:
                return same_index
        latest = self._latest
        if latest is None or piece.index is None:
            return latest
        # a piece with a new index that identifies nothing belongs to the call that still lacks its end
        is_rest = not piece.id and not piece.name and bool(latest.name) and not latest.is_over()
        return latest if is_rest else None

    def _is_another(self, call: _Call, piece: _Piece) -> bool:
        """Whether a piece begins another call than the one that it points at."""
        if piece.id and call.id and piece.id != call.id:
            return True
        if not piece.name or not call.name:
            return bool(piece.id and not call.id and piece.index is None and call.is_over())
        has_same_id = bool(piece.id and piece.id == call.id)
        is_named_already = call.number in self._named_in_delta
        if piece.index is not None and piece.index != call.stated_index:
            return True
        if piece.name == call.name:
            return (is_named_already and not has_same_id) or (call.is_over() and not call.repeats(piece))
        return (piece.index is None and not has_same_id) or is_named_already or call.is_over()


def is_usable_call(call: Any) -> bool:
    """Return whether a caller can run a whole call: it has a name, and arguments that are JSON or left out."""
    return isinstance(call, Mapping) and _Call(0, _read(call)).is_usable()


def with_text_arguments(call: Any) -> Any:
    """Return a whole call whose arguments are a text, as OpenAI writes them; the same one if they are that already.

    Arguments that are null are an empty object: clients decode them.
    """
    if not isinstance(call, Mapping):
        return call
    for kind, field in _KINDS:
        part = call.get(kind)
        if isinstance(part, Mapping) and isinstance(part.get(field), Mapping):
            return {**call, kind: {**part, field: _text(part[field])}}
        if isinstance(part, Mapping) and field == "arguments" and field in part and part[field] is None:
            return {**call, kind: {**part, field: "{}"}}
    return call


def is_json(text: str) -> bool:
    """Return whether a text is a JSON document."""
    try:
        msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        return False
    return True


def _read(document: Mapping[str, Any]) -> _Piece:
    for kind, field in _KINDS:
        part = document.get(kind)
        if isinstance(part, Mapping):
            name, text, is_custom = part.get("name"), _text(part.get(field)), kind == "custom"
            break
    else:
        name, text, is_custom = None, "", document.get("type") == "custom"
    index, call_id = document.get("index"), document.get("id")
    return _Piece(
        index=index if isinstance(index, int) else None,
        id=call_id if isinstance(call_id, str) and call_id not in _NO_IDS else "",
        name=name if isinstance(name, str) else "",
        text=text,
        is_custom=is_custom,
    )


def _text(value: Any) -> str:
    """Return a text; some providers send the arguments as an object."""
    if isinstance(value, Mapping):
        return msgspec.json.encode(value).decode()
    return value if isinstance(value, str) else ""


def _only_repeats(call: _Call, piece: _Piece) -> bool:
    """Whether a piece repeats the whole of a complete call, as a summary at its end."""
    return bool(piece.text.strip()) and bool(piece.id or piece.name) and piece.text == call.text and call.is_over()


def _written(document: Mapping[str, Any], piece: _Piece, number: int, call: _Call | None) -> Json:
    """Return a piece as OpenAI writes it; `call` is the one that it continues, None for a first piece."""
    written = {**document, "index": number}
    for kind, field in _KINDS:
        part = document.get(kind)
        if isinstance(part, Mapping):
            written[kind] = _written_part(part, field, piece, call)
    if call is not None:
        if not piece.id or piece.id == call.id:
            written.pop("id", None)
        if call.name:
            written.pop("type", None)
    return written


def _written_part(part: Mapping[str, Any], field: str, piece: _Piece, call: _Call | None) -> Json:
    written = dict(part)
    if field in part and not isinstance(part[field], str):
        written[field] = piece.text
    if call is not None:
        if not piece.name or piece.name == call.name:
            written.pop("name", None)
        if _only_repeats(call, piece):
            written[field] = ""
    return written
