"""The estimate of what a JSON text takes in memory is near the truth, also for texts that are made to be small."""

import json
import tracemalloc

import msgspec
import pytest

from tidegate.wire.decoded_size import decoded_size

COUNT = 20_000
CODE = 'if (a[0] === {"x": [1, 2]}["x"][0]) { return f(a, b); } // "done"\n'


def repeated(value: str) -> bytes:
    return f"[{','.join([value] * COUNT)}]".encode()


def size_once_decoded(text: bytes) -> int:
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    decoded = msgspec.json.decode(text)
    size = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    del decoded
    return size


@pytest.mark.parametrize(
    "value",
    [
        "[]",
        "{}",
        "[[[[[[[[]]]]]]]]",
        '{"a":0}',
        '{"a":0.5}',
        '{"a":{"a":{}}}',
        "[0]",
        "[[],0]",
        "1000",
        "0.5",
        '"a"',
        '"ab"',
        '{"a":"x1","b":"x2","c":"x3","d":"x4"}',
    ],
)
def test_many_small_values_are_not_thought_small(value: str) -> None:
    text = repeated(value)
    assert 0.9 * size_once_decoded(text) < decoded_size(text).size < 3 * size_once_decoded(text)


@pytest.mark.parametrize(
    ("content", "escaped", "most"),
    [
        ("When is high tide, and where? " * 5_000, True, 1.1),
        (CODE * 3_000, True, 1.3),
        ("QUJD" * 50_000, True, 1.1),
        ("QUJD" * 50_000 + "\U0001f30a", True, 1.1),
        ("QUJD" * 50_000 + "\U0001f30a", False, 1.1),
        ("Ebbe, für Föhr. " * 5_000, False, 2.3),
        ("прилив " * 5_000, False, 2.1),
        ("満潮は何時" * 5_000, False, 3.1),
    ],
    ids=["prose", "code", "image", "image with escaped emoji", "image with emoji", "umlauts", "Cyrillic", "Japanese"],
)
def test_a_long_text_counts_by_its_widest_character(content: str, escaped: bool, most: float) -> None:
    text = json.dumps({"messages": [{"role": "user", "content": content}]}, ensure_ascii=escaped).encode()
    size = size_once_decoded(text)
    assert 0.99 * size < decoded_size(text).size < most * size


def test_what_stands_in_strings_is_no_structure() -> None:
    assert decoded_size(json.dumps(["[],{}," * 10_000]).encode()).size < 70_000
    assert decoded_size(json.dumps(["\\", '"[],[]', "[]," * 20_000 + '\\"']).encode()).size < 70_000
    assert decoded_size(json.dumps(["\\"] * 2).encode()[:-1] + b"," + b"[]," * 20_000 + b"0]").size > 1_500_000


def test_lists_that_are_nested_between_two_commas_are_found() -> None:
    text = b"[" + b",".join([b"[" * 400 + b"]" * 400] * 500) + b"]"
    assert 0.9 * size_once_decoded(text) < decoded_size(text).size


@pytest.mark.parametrize(
    ("text", "containers"),
    [
        (b"[" + b"[]," * 60_000 + b"0]", 60_001),
        (b"[" + b'{"a":[1,2]},' * 60_000 + b"0]", 120_001),
        (b'["' + b"[]" * 200_000 + b'",[]]', 2),
        (b'["' + b'\\"[]' * 100_000 + b'",[],{}]', 3),
        (b'["' + b"\\\\" * 70_001 + b'","' + b"[]" * 60_000 + b'"]', 1),
    ],
)
def test_lists_and_objects_outside_texts_are_counted_exactly_where_they_seem_many(text: bytes, containers: int) -> None:
    assert decoded_size(text).containers == containers
