"""A large body decodes as a small one does, in many short steps, and fails as a small one does."""

import itertools

import msgspec
import pytest

from tidegate.core.endpoints import CHAT
from tidegate.core.errors import BodyNotAnObject, BodyNotJson, EmptyBody
from tidegate.core.process.heavy_turns import at_once
from tidegate.wire.call import LARGE_BYTES, is_heavy, parse, parse_in_steps
from tidegate.wire.large_body import decode_in_steps

LONG = "x" * LARGE_BYTES
MESSAGES = [{"role": "user", "content": f"{number} " + "tide " * 40} for number in range(6_000)]


def body(**fields: object) -> bytes:
    return msgspec.json.encode({"model": "gpt-4o-mini", **fields})


@pytest.mark.parametrize(
    "data",
    [
        body(messages=[{"role": "user", "content": LONG}], stream=True, user="u"),
        body(messages=MESSAGES, metadata={"a": "b"}),
        body(messages=[], input=list(range(100_000))),
        body(messages=[{"role": "user", "content": [{"type": "text", "text": "é漢\U0001f30a" * 40_000}]}]),
        b"\xef\xbb\xbf" + body(messages=MESSAGES),
        b" \n" + body(messages=MESSAGES) + b"\n ",
        body(messages=MESSAGES)[:-1] + b',"model":"last"}',
        b'{"model":"m","messages":[' + b"[]," * 90_000 + b"[]]}",
    ],
    ids=["one text", "messages", "numbers", "wide", "byte order mark", "white space", "a name twice", "empty lists"],
)
def test_a_large_body_has_the_same_values_as_any_decoder_finds(data: bytes) -> None:
    body, fields = at_once(decode_in_steps(data, spare_levels=64))
    expected = msgspec.json.decode(data.removeprefix(b"\xef\xbb\xbf"))
    assert body == expected
    assert {name: msgspec.json.decode(written) for name, written in fields.items()} == expected


def test_half_a_surrogate_pair_becomes_a_replacement_character_and_a_whole_one_stays() -> None:
    text = rb'{"model":"m","messages":[{"content":"a\ud83d b\ud83d\ude00 \\ud83d"}],"x":"%s"}' % LONG.encode()
    assert parse(CHAT, text).body["messages"] == [{"content": "a\ufffd b\U0001f600 \\ud83d"}]


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (b" " * LARGE_BYTES, EmptyBody),
        (msgspec.json.encode([LONG]), BodyNotAnObject),
        (body(messages=MESSAGES)[:-2], BodyNotJson),
        (body(messages=MESSAGES).replace(b"4000 tide", b"4000 \xfftide"), BodyNotJson),
        (body(messages=MESSAGES).replace(b'"4000 tide', b'"4000 \\qtide'), BodyNotJson),
        (body(messages=MESSAGES, deep=msgspec.Raw(b"[" * 5_000 + b"]" * 5_000)), BodyNotJson),
    ],
)
def test_a_large_body_that_is_wrong_is_refused_as_a_small_one_is(data: bytes, error: type[Exception]) -> None:
    with pytest.raises(error):
        parse(CHAT, data)


def test_a_large_body_is_not_nested_more_deeply_than_what_is_built_from_it_may_be() -> None:
    def nests(levels: int, size: int) -> bool:
        try:
            parse(CHAT, body(messages=[], deep=msgspec.Raw(b"[" * levels + b"]" * levels), filler="x" * size))
        except BodyNotJson:
            return False
        return True

    deepest_small = next(levels for levels in itertools.count(100) if not nests(levels, 0))
    deepest_large = next(levels for levels in itertools.count(100) if not nests(levels, LARGE_BYTES))
    assert abs(deepest_large - deepest_small) < 64


@pytest.mark.parametrize("count", [20, 20_000])
def test_the_steps_are_as_many_as_there_is_work(count: int) -> None:
    data = body(messages=[{"role": "user", "content": "tide " * (1_200_000 // count)}] * count)
    assert len(list(parse_in_steps(CHAT, data))) >= 10  # 6 MB


def test_a_small_body_with_many_values_is_heavy_too() -> None:
    assert is_heavy(body(messages=[{"role": "user", "content": LONG}]))
    assert is_heavy(b'{"model":"m","messages":[' + b"[]," * 20_000 + b"[]]}")
    assert not is_heavy(body(messages=[{"role": "user", "content": "x" * 100_000}]))
    assert parse(CHAT, b'{"model":"m","messages":[' + b"[]," * 20_000 + b"[]]}").is_heavy
