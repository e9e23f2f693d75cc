"""A form is read as it streams, however it is cut; what another reader could read otherwise is refused."""

import itertools
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.core.errors import MalformedMultipart
from tidegate.wire.operations.multipart import MultipartReader, boundary_of


def part(disposition: str, content: bytes = b"x", more: str = "") -> bytes:
    return f"--b\r\nContent-Disposition: {disposition}\r\n{more}\r\n".encode() + content + b"\r\n"


FORM = (
    part('form-data; name="model"', b"whisper-1")
    + part('form-data; name="file"; filename="a.mp3"', b"\r\n--\r\n-\x00\xff\r\n" * 50, "Content-Type: audio/mpeg\r\n")
    + part('form-data; name="prompt"', "Flut und Ebbe, ä".encode())
    + part("form-data; name=n", b"")
    + b"--b--\r\n"
)
FIELDS = [("model", "whisper-1"), ("prompt", "Flut und Ebbe, ä"), ("n", "")]


def read(body: bytes, *, end: bool = True) -> MultipartReader:
    reader = MultipartReader(b"b")
    reader.feed(body)
    if end:
        reader.check_end()
    return reader


@given(st.lists(st.integers(0, len(FORM)), max_size=12))
def test_any_cut_gives_the_same_fields(cuts: list[int]) -> None:
    edges = [0, *sorted(cuts), len(FORM)]
    reader = MultipartReader(b"b")
    for begin, end in itertools.pairwise(edges):
        reader.feed(FORM[begin:end])
    assert (reader.fields, reader.has_file, reader.is_complete) == (FIELDS, True, True)


def test_single_bytes_give_the_same_fields() -> None:
    reader = MultipartReader(b"b")
    for number in range(len(FORM)):
        reader.feed(FORM[number : number + 1])
    assert reader.fields == FIELDS


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"--c\r\n", "does not begin"),
        (b"\r\nhello", "does not begin"),
        (part('form-data; name="a"') + b"--b-x", "within a line"),
        (part('form-data; name="a"', b"x\n--b\r\n"), "within a line"),
        (part('form-data; name="a"', b"hidden --b--"), "within a line"),
        (part("form-data"), "no valid name"),
        (part('form-data; name="a"; name="model"'), "no valid name"),
        (part("form-data; name*=utf-8''model"), "no valid name"),
        (part('form-data; name="mo\\del"'), "no valid name"),
        (part('form-data; name=""'), "no valid name"),
        (part('attachment; name="a"'), "no valid name"),
        (part('form-data; name="model"; filename="m.txt"'), "`model` is a file"),
        (part('form-data; name="file"; filename="../../etc/passwd"'), "path"),
        (part('form-data; name="file"; filename="/etc/passwd"'), "path"),
        (part('form-data; name="file"; filename="a\\..\\b"'), "path"),
        (part('form-data; name="a"', more="Content-Transfer-Encoding: base64\r\n"), "transfer-encoding"),
        (part('form-data; name="a"', more=' folded="x"\r\n'), "not valid"),
        (part('form-data; name="a"', more="Content-Disposition: form-data\r\n"), "not valid"),
        (b"--b\r\n" + b"a: b" * 5000, "too long"),
        (part('form-data; name="a"', b"x" * 600_000), "too long"),
        (part('form-data; name="a"') * 2001, "parts"),
        (FORM + b"more", "follows"),
    ],
)
def test_an_unclear_form_is_refused(body: bytes, words: str) -> None:
    with pytest.raises(MalformedMultipart) as refused:
        read(body, end=False)
    assert words in refused.value.message


@pytest.mark.parametrize("length", [0, 3, 40, len(FORM) - 3])
def test_a_form_without_its_end_is_refused(length: int) -> None:
    with pytest.raises(MalformedMultipart) as refused:
        read(FORM[:length])
    assert "end mark" in refused.value.message


def test_a_file_in_a_folder_is_taken() -> None:
    assert read(part('form-data; name="files[]"; filename="skill/SKILL.md"') + b"--b--").has_file


def kept_bytes(reader: MultipartReader) -> int:
    return len(pickle.dumps(reader))


def test_a_file_takes_no_memory() -> None:
    reader = MultipartReader(b"b")
    reader.feed(b'--b\r\nContent-Disposition: form-data; name="file"; filename="f"\r\n\r\n')
    before = kept_bytes(reader)
    for _ in range(1000):
        reader.feed(bytes(65536))
    assert kept_bytes(reader) < before + 1000


@pytest.mark.parametrize(
    ("content_type", "boundary"),
    [
        ("multipart/form-data; boundary=abc", b"abc"),
        ('multipart/form-data; charset=utf-8; boundary="a b:c"', b"a b:c"),
        (
            "multipart/form-data; Boundary=----WebKitFormBoundary7MA4YWxkTrZu0gW",
            b"----WebKitFormBoundary7MA4YWxkTrZu0gW",
        ),
    ],
)
def test_the_boundary_is_found(content_type: str, boundary: bytes) -> None:
    assert boundary_of(content_type) == boundary


@pytest.mark.parametrize(
    "content_type",
    [
        "multipart/form-data",
        "multipart/form-data; boundary=",
        "multipart/form-data; boundary=a; boundary=b",
        'multipart/form-data; boundary="a{b"',
        "multipart/form-data; boundary=" + "a" * 71,
    ],
)
def test_a_form_needs_a_boundary(content_type: str) -> None:
    with pytest.raises(MalformedMultipart):
        boundary_of(content_type)
