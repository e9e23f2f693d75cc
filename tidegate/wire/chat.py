"""Convert a chat completion between its object and the chunks of a stream.

Unknown fields are preserved in both directions. Source: OpenAI's API reference, "The chat completion object" and
"The chat completion chunk object".
"""

from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from itertools import zip_longest
from typing import Any

from tidegate.core.process.heavy_turns import at_once
from tidegate.wire.chunking import Cut, cut_evenly
from tidegate.wire.shapes.chat_stream import ChatStreamMender

Json = dict[str, Any]

_COMMON_FIELDS = ("id", "created", "model", "service_tier", "system_fingerprint")
_NOT_COPIED = ("choices", "object", "obfuscation")
_TEXTS = ("content", "refusal")
_STEP_CHUNKS = 200
"""Chunks that one step takes, in about a millisecond."""
_NEVER_SPLIT = frozenset({"id", "index", "name", "role", "type"})
"""Strings that are never split; if a stream repeats them, the last one that is not empty counts."""


def to_chunks(completion: Mapping[str, Any], *, include_usage: bool = True, cut: Cut = cut_evenly) -> list[Json]:
    """Return the chunks that OpenAI would have streamed for `completion`.

    `include_usage` adds the final chunk with the usage, if there is one, and `usage: null` to all others.
    Unknown fields of the completion are put on the first chunk.
    """
    usage = completion.get("usage") if include_usage else None
    base = {key: completion[key] for key in _COMMON_FIELDS if key in completion}
    base["object"] = "chat.completion.chunk"
    if include_usage and "usage" in completion:
        base["usage"] = None
    streams = [list(_choice_chunks(number, choice, cut)) for number, choice in enumerate(completion["choices"])]
    rounds = zip_longest(*streams)
    chunks = [{**base, "choices": [choice]} for choices in rounds for choice in choices if choice is not None]
    if usage is not None or not chunks:
        chunks.append({**base, "choices": []} | ({"usage": usage} if usage is not None else {}))
    known = {*_COMMON_FIELDS, *_NOT_COPIED, "usage"}
    chunks[0].update({key: value for key, value in completion.items() if key not in known})
    return chunks


def _choice_chunks(number: int, choice: Mapping[str, Any], cut: Cut) -> Iterator[Json]:
    """Yield one choice's part of each chunk: the role, the pieces of text, the finish reason."""
    message: Mapping[str, Any] = choice.get("message", {})
    common = {"index": choice.get("index", number)}
    quiet: Json = {"logprobs": None} if "logprobs" in choice else {}
    rest = {key: value for key, value in choice.items() if key not in ("index", "message", "finish_reason")}
    if choice.get("logprobs"):
        rest["logprobs"] = _logprobs_not_spread(message, choice["logprobs"])
    yield {**common, **rest, "delta": _first_delta(message), "finish_reason": None}
    for field in _TEXTS:
        for text, shown in _text_pieces(message, choice.get("logprobs"), field, cut):
            yield {**common, "delta": {field: text}, **(shown or quiet), "finish_reason": None}
    for delta in _structured_deltas(message, cut):
        yield {**common, "delta": delta, **quiet, "finish_reason": None}
    yield {**common, "delta": {}, **quiet, "finish_reason": choice.get("finish_reason") or None}


def _first_delta(message: Mapping[str, Any]) -> Json:
    """Return the role, and all fields of the message that are not streamed."""
    delta = {key: value for key, value in message.items() if not _is_streamed(key, value)}
    delta.setdefault("role", "assistant")
    if isinstance(message.get("content"), str):
        delta["content"] = ""
    return delta


def _is_streamed(key: str, value: Any) -> bool:
    if key in _TEXTS:
        return isinstance(value, str) and value != ""
    if key == "tool_calls":
        return isinstance(value, list) and bool(value)
    return key in ("function_call", "audio") and isinstance(value, Mapping)


def _cut_string(text: Any, cut: Cut) -> list[str]:
    return cut(text) if isinstance(text, str) and text else []


def _text_pieces(message: Mapping[str, Any], logprobs: Any, field: str, cut: Cut) -> Iterator[tuple[str, Json]]:
    """Yield the pieces of one text, each with the log probabilities of its tokens if they are known."""
    text = message.get(field)
    if not _spells(logprobs, field, text):
        yield from ((piece, {}) for piece in _cut_string(text, cut))
        return
    empty: Json = {key: None for key in _TEXTS if key in logprobs}
    tokens = logprobs[field]
    size = max(1, len(tokens) // max(1, len(_cut_string(text, cut))))
    for at in range(0, len(tokens), size):
        group = tokens[at : at + size]
        yield "".join(token["token"] for token in group), {"logprobs": {**empty, field: group}}


def _logprobs_not_spread(message: Mapping[str, Any], logprobs: Json) -> Json:
    """Return the log probabilities that cannot be assigned to pieces of text."""
    return {key: [] if _spells(logprobs, key, message.get(key)) else value for key, value in logprobs.items()}


def _spells(logprobs: Any, field: str, text: Any) -> bool:
    """Whether the joined tokens are the text; not so if a character is split into several tokens."""
    tokens = logprobs.get(field) if logprobs and field in _TEXTS else None
    return bool(tokens) and "".join(token["token"] for token in tokens or ()) == text


def _structured_deltas(message: Mapping[str, Any], cut: Cut) -> Iterator[Json]:
    if _is_streamed("function_call", message.get("function_call")):
        yield from ({"function_call": part} for part in _in_parts(message["function_call"], "arguments", cut))
    if _is_streamed("tool_calls", message.get("tool_calls")):
        for index, call in enumerate(message["tool_calls"]):
            yield from ({"tool_calls": [{"index": index, **part}]} for part in _call_parts(call, cut))
    if _is_streamed("audio", message.get("audio")):
        yield from ({"audio": part} for part in _audio_parts(message["audio"], cut))


def _call_parts(call: Mapping[str, Any], cut: Cut) -> Iterator[Json]:
    """Yield a tool call with an empty argument, then the pieces of its argument."""
    for kind, field in (("function", "arguments"), ("custom", "input")):
        if isinstance(call.get(kind), Mapping):
            first, *others = _in_parts(call[kind], field, cut)
            yield {**call, kind: first}
            yield from ({kind: part} for part in others)
            return
    yield dict(call)


def _in_parts(value: Mapping[str, Any], field: str, cut: Cut) -> list[Json]:
    text = value.get(field)
    if not isinstance(text, str):
        return [dict(value)]
    return [{**value, field: ""}, *({field: piece} for piece in _cut_string(text, cut))]


def _audio_parts(audio: Mapping[str, Any], cut: Cut) -> Iterator[Json]:
    """Yield the id, transcript, data and, last, the expiry, in OpenAI's order."""
    streamed = [key for key in ("transcript", "data") if isinstance(audio.get(key), str)]
    last = {key: audio[key] for key in ("expires_at",) if key in audio}
    yield {key: "" if key in streamed else value for key, value in audio.items() if key not in last}
    yield from ({key: piece} for key in streamed for piece in _cut_string(audio[key], cut))
    if last:
        yield last


def from_chunks(chunks: Sequence[Mapping[str, Any]]) -> Json:
    """Return the completion that a complete stream's chunks add up to.

    Within a delta, strings are joined, lists with an `index` are merged by it, other lists are concatenated, and the
    last of any other value counts. Outside deltas the last value that is not null counts. `obfuscation` is dropped.
    Chunks of another shape are mended first: the stream may have been stored by a release that did not.
    """
    return at_once(from_chunks_in_steps(chunks))


def from_chunks_in_steps(chunks: Iterable[Mapping[str, Any]]) -> Generator[None, None, Json]:
    """Return the same, in steps of some chunks."""
    completion: Json = {"object": "chat.completion"}
    choices: dict[int, Json] = {}
    mender = ChatStreamMender(keeps_reasons=True)
    for number, chunk in enumerate(map(mender.mend_chunk, chunks), 1):
        if not number % _STEP_CHUNKS:
            yield
        _take_last(completion, {key: value for key, value in chunk.items() if key not in _NOT_COPIED})
        for part in chunk.get("choices") or ():
            index = part.get("index") or 0
            _add_to_choice(choices.setdefault(index, _new_choice(index)), part)
    completion["choices"] = [_finished(choices[index]) for index in sorted(choices)]
    return completion


def _new_choice(index: int) -> Json:
    return {"index": index, "message": {"role": "assistant", "content": None}, "finish_reason": None}


def _add_to_choice(choice: Json, part: Mapping[str, Any]) -> None:
    own = ("index", "delta", "logprobs", "message")  # some providers repeat the whole message beside each delta
    _take_last(choice, {key: value for key, value in part.items() if key not in own})
    if "logprobs" in part:
        choice["logprobs"] = _join("logprobs", choice.get("logprobs"), part["logprobs"])
    for key, value in (part.get("delta") or {}).items():
        choice["message"][key] = _join(key, choice["message"].get(key), value)


def _take_last(target: Json, values: Mapping[str, Any]) -> None:
    for key, value in values.items():
        # Azure's filter has chunks of its own, whose id, model and time are empty; some servers never say `null`
        empty = value is None or (key in (*_COMMON_FIELDS, "finish_reason") and not value)
        if not empty or key not in target:
            target[key] = value


class _JoinedText:
    """The pieces of a text. They are joined once, at the end: to add each to the text before copies it each time."""

    __slots__ = ("pieces",)

    def __init__(self, text: str) -> None:
        self.pieces = [text]


class _JoinedObject(dict[str, Any]):
    """An object that was made here, so that it may be changed."""


class _JoinedList(list[Any]):
    """A list that was made here, so that it may be changed."""


def _plain(value: Any) -> Any:
    """Return a value with the texts whole that were joined in it."""
    if isinstance(value, _JoinedText):
        return "".join(value.pieces)
    if isinstance(value, _JoinedObject):
        return {name: _plain(part) for name, part in value.items()}
    return [_plain(part) for part in value] if isinstance(value, _JoinedList) else value


def _join(key: str, old: Any, new: Any) -> Any:
    if old is None or new is None:
        return new if old is None else old
    if new == "" and key in _NEVER_SPLIT:
        return old
    if isinstance(old, str | _JoinedText) and isinstance(new, str) and key not in _NEVER_SPLIT:
        text = _JoinedText(old) if isinstance(old, str) else old
        text.pieces.append(new)
        return text
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        joined = old if isinstance(old, _JoinedObject) else _JoinedObject(old)
        joined.update({name: _join(name, joined.get(name), value) for name, value in new.items()})
        return joined
    if isinstance(old, list) and isinstance(new, list):
        return _join_lists(old, new)
    return new


def _join_lists(old: list[Any], new: list[Any]) -> list[Any]:
    joined = old if isinstance(old, _JoinedList) else _JoinedList(old)
    if not any(isinstance(item, Mapping) and "index" in item for item in new):
        joined.extend(new)
        return joined
    for item in new:
        same = [at for at, known in enumerate(joined) if known.get("index") == item.get("index")]
        if same:
            joined[same[0]] = _join("", joined[same[0]], item)
        else:
            joined.append(item)
    return joined


def _finished(choice: Json) -> Json:
    """Return the choice with its texts whole and its tool calls in order, without the index that only streams have."""
    choice["message"] = {name: _plain(value) for name, value in choice["message"].items()}
    if "logprobs" in choice:
        choice["logprobs"] = _plain(choice["logprobs"])
    calls = choice["message"].get("tool_calls")
    if isinstance(calls, list):
        ordered = sorted(calls, key=lambda call: call.get("index", 0))
        choice["message"]["tool_calls"] = [
            {key: value for key, value in call.items() if key != "index"} for call in ordered
        ]
    return choice
