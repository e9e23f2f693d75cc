"""Tar files of every format are read as they were written; hostile ones end with an error and take no memory."""

import io
import tarfile

import pytest

from tests.leaks.planted import tar
from tidegate.leaks.tar_stream import BLOCK, MAX_NAME_BYTES, InvalidTar, looks_like_tar, members

LONG = "a/" * 200 + "name"


def read(packed: bytes) -> dict[str, bytes]:
    return {member.name: member.content.read(10**6) for member in members(io.BytesIO(packed))}


@pytest.mark.parametrize("style", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
@pytest.mark.parametrize("name", ["a", "a" * 100, "d" * 100 + "/" + "e" * 90, LONG, "ü\n" * 60])
def test_every_format_is_read(style: int, name: str) -> None:
    files = {"first": b"", name: b"x" * 513, "last": b"y" * BLOCK}
    try:
        packed = tar(files, style=style)
    except ValueError:
        pytest.skip("the format has no such names")
    assert looks_like_tar(packed[:BLOCK])
    assert read(packed) == files


def test_what_is_not_read_is_skipped() -> None:
    packed = tar({"a": b"x" * 10_000, "b": b"y"})
    assert [member.name for member in members(io.BytesIO(packed))] == ["a", "b"]


def test_links_and_devices_have_no_content() -> None:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE, tarfile.DIRTYPE):
            entry = tarfile.TarInfo("/etc/../../x")
            entry.type, entry.linkname = kind, "/etc/passwd"
            archive.addfile(entry)
    assert read(packed.getvalue()) == {"/etc/../../x": b""} or read(packed.getvalue()) == {
        "/etc/../../x/": b"",
        "/etc/../../x": b"",
    }


def header(size: bytes, kind: bytes = b"0") -> bytes:
    """Return a header of a tar file with this size field and a right checksum."""
    block = bytearray(tarfile.TarInfo("x").tobuf(tarfile.GNU_FORMAT)[:BLOCK])
    block[124:136], block[156:157], block[148:156] = size, kind, b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


@pytest.mark.parametrize(
    "packed",
    [
        header(b"77777777777\0"),
        header(b"\xff" * 12),
        header(b"\x80" + b"\xff" * 11),
        header(b"notanumber\0\0"),
        header(b"%011o\0" % (MAX_NAME_BYTES + 1), b"L") + b"n" * 10**6,
        header(b"%011o\0" % 2**33, b"x"),
        header(b"%011o\0" % 20, b"x") + b"9999 path=x\n".ljust(BLOCK, b"\0"),
        header(b"%011o\0" % 20, b"x") + b"0 path=x\n".ljust(BLOCK, b"\0"),
        header(b"%011o\0" % 20, b"x") + b"-5 size=1\n".ljust(BLOCK, b"\0"),
        tar({"a": b"x" * 5000})[:3000],
        tar({"a": b"x"})[:100],
        tar({"a": b"x"})[:BLOCK] + b"\1" * 2 * BLOCK,
    ],
)
def test_a_hostile_file_ends_with_an_error(packed: bytes) -> None:
    with pytest.raises(InvalidTar):
        read(packed)


def test_a_text_is_no_tar_file() -> None:
    assert not looks_like_tar(b"{}")
    assert not looks_like_tar(bytes(BLOCK))
    assert not looks_like_tar(b"a" * BLOCK)
