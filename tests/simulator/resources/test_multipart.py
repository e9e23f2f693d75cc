"""A form's fields and files are read as they were sent; a form that does not end is refused."""

import pytest

from tidegate.simulator.refusal import Refusal
from tidegate.simulator.resources.multipart import MultipartBody, parse

_TYPE = "multipart/form-data; boundary=x"


def _form(*parts: tuple[str, str], end: str = "--x--\r\n") -> MultipartBody:
    text = "".join(f"--x\r\nContent-Disposition: form-data; {about}\r\n\r\n{data}\r\n" for about, data in parts)
    return parse((text + end).encode(), _TYPE)


def test_nested_names_become_objects_and_arrays() -> None:
    form = _form(
        ('name="a"', "1"), ('name="b[]"', "2"), ('name="b[]"', "3"), ('name="c[d]"', "4"), ('name="c[e][]"', "5")
    )
    assert form.values() == {"a": "1", "b": ["2", "3"], "c": {"d": "4", "e": ["5"]}}


@pytest.mark.parametrize(
    ("filename", "expected"),
    [("a.txt", "a.txt"), ("../../etc/passwd", "passwd"), (r"c:\\x\\a.txt", "a.txt"), ("", "upload")],
)
def test_a_file_is_stored_by_the_last_part_of_its_name(filename: str, expected: str) -> None:
    (part,) = _form((f'name="file"; filename="{filename}"', "abc")).files("file")
    assert (part.filename, bytes(part.data), part.content_type) == (expected, b"abc", "application/octet-stream")


def test_files_may_be_named_as_an_array_and_contain_the_mark_of_another_form() -> None:
    form = _form(('name="image[]"; filename="a"', "--y\r\n"), ('name="image[]"; filename="b"', ""))
    assert [bytes(part.data) for part in form.files("image")] == [b"--y\r\n", b""]


@pytest.mark.parametrize(
    ("raw", "content_type", "reason"),
    [
        (b"", _TYPE, "no end mark"),
        (b"--x\r\nContent-Disposition: form-data; name=a\r\n\r\n1", _TYPE, "no end mark"),
        (b"--x\r\nContent-Disposition: form-data; name=a\r\n", _TYPE, "no end mark"),
        (b"--x\r\nContent-Disposition: form-data\r\n\r\n1\r\n--x--", _TYPE, "no name"),
        (b"--x--", "multipart/form-data", "no boundary"),
        (b"--x\r\nContent-Disposition: form-data; name=a\r\n\r\n1\r\n" * 1001 + b"--x--", _TYPE, "more than 1000"),
    ],
)
def test_a_form_that_is_none_is_refused(raw: bytes, content_type: str, reason: str) -> None:
    with pytest.raises(Refusal, match=reason):
        parse(raw, content_type)


def test_a_field_with_two_types_is_refused() -> None:
    with pytest.raises(Refusal, match="has two types"):
        _form(('name="a"', "1"), ('name="a[b]"', "2")).values()
