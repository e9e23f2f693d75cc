"""Any document comes back byte for byte, and jsonb gets a value that it can hold."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.conversations.storage.packing import MAX_INLINE_BYTES, jsonb_safe, pack, unpack

IMAGE = b'"data:image/png;base64,' + b"iVBOR" * 20_000 + b'"'
TEXT = ('"' + 'Ebbe \\u00fc \\\\ und \\"Flut\\" 🌊 ' * 4000 + '"').encode()


@pytest.mark.parametrize(
    ("document", "shown"),
    [
        (rb'{"a":"plain \u00e4"}', rb'{"a":"plain \u00e4"}'),
        (rb'{"a":"x\u0000y"}', rb'{"a":"x\ufffdy"}'),
        (rb'{"a":"x\\u0000y"}', rb'{"a":"x\\u0000y"}'),
        (rb'{"a":"\\\u0000"}', rb'{"a":"\\\ufffd"}'),
        (rb'{"a":"\ud83c\udf0a"}', rb'{"a":"\ud83c\udf0a"}'),
        (rb'{"a":"\ud83c"}', rb'{"a":"\ufffd"}'),
        (rb'{"a":"\udf0a\ud83c"}', rb'{"a":"\ufffd\ufffd"}'),
        (rb'{"a":"\ud83c\u0041"}', rb'{"a":"\ufffd\u0041"}'),
    ],
)
def test_jsonb_gets_a_replacement_for_what_it_cannot_hold(document: bytes, shown: bytes) -> None:
    packed = pack(document)
    assert packed.document.encode() == shown == jsonb_safe(document)
    assert (packed.exact is None) == (shown == document)
    assert unpack(packed.document, packed.exact) == document


@pytest.mark.parametrize("long", [IMAGE, TEXT])
def test_long_strings_are_kept_apart(long: bytes) -> None:
    document = b'{"a":' + long + b', "b":[' + long + b',"\\u0000"]}'
    packed = pack(document)
    assert len(packed.document) < MAX_INLINE_BYTES
    assert len(packed.exact or b"") < 100
    assert len(packed.contents) == 1
    assert unpack(packed.document, packed.exact, packed.parts, packed.contents) == document


def test_of_a_long_text_the_beginning_stays_to_be_searched_and_of_an_image_nothing() -> None:
    packed = pack(b'{"a":' + IMAGE + b',"b":' + TEXT + b"}")
    shown = msgspec.json.decode(packed.document)
    assert shown["a"] == ""
    assert msgspec.json.decode(TEXT).startswith(shown["b"])
    assert len(shown["b"]) > 10_000
    assert [part.data for part in packed.parts] == [True, False]


def test_where_a_part_is_not_wanted_there_is_null() -> None:
    packed = pack(b'{"a":' + IMAGE + b',"b":1}')
    assert unpack(packed.document, packed.exact, packed.parts) == b'{"a":null,"b":1}'


@given(text=st.text(st.sampled_from('aü🌊"\\\0\ud800\n'), min_size=1, max_size=40), times=st.integers(1, 4000))
def test_any_text_comes_back(text: str, times: int) -> None:
    escaped = "".join(f"\\u{ord(one):04x}" if one in "\0\ud800" else one for one in text.replace("\\", "\\\\"))
    escaped = escaped.replace('"', '\\"').replace("\n", "\\n")
    document = ('{"a":"' + escaped * times + '","b":"' + escaped + '"}').encode()
    packed = pack(document, max_inline_bytes=2000)
    msgspec.json.decode(packed.document)
    assert "\\u0000" not in packed.document.replace("\\\\", "")
    assert unpack(packed.document, packed.exact, packed.parts, packed.contents) == document
