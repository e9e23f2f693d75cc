"""Find secrets in a container image: in each layer, also in files that a later layer deletes, and in its configuration.

An image is a tar file of `docker save`, an OCI layout (folder or tar file), or the unpacked folder of a container.
Layers are read as streams and never unpacked. See opencontainers/image-spec, "layer.md" and "config.md".
"""

import contextlib
import gzip
import io
import os
import re
import stat
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, cast

import msgspec

from tidegate.leaks.file_scan import scan_text
from tidegate.leaks.image_config import ImageIndex, Place, config_sightings, is_config
from tidegate.leaks.patterns import Sighting
from tidegate.leaks.tar_stream import BLOCK, InvalidTar, Source, looks_like_tar, members
from tidegate.wire.zstd import DecompressionParameter, ZstdError, ZstdFile

MAX_FINDINGS = 1000
_MAX_DOCUMENT = 4 * 1024 * 1024
_MAX_DOCUMENTS_BYTES = 64 * 1024 * 1024
_MAX_DELETIONS = 200_000
_MAX_MEMBERS = 10_000_000
_UNPACKED_AT_LEAST, _UNPACKED_TIMES = 2**30, 100
_MAX_WINDOW_LOG = 27
_GZIP, _ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"
_DOCUMENT_NAME = re.compile(r"(?:\./)?(?:[^/]+\.json|blobs/[a-z0-9]+/[0-9a-f]{32,128})")
_LAYOUT_FILES = ("oci-layout", "manifest.json", "index.json")
_UNREADABLE = (InvalidTar, OSError, EOFError, zlib.error, ZstdError)


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """A secret and where it is."""

    sighting: Sighting
    place: Place
    deleted: bool = False
    """Whether a later layer deletes the file. The image has it all the same."""


class ImageReport(msgspec.Struct, frozen=True, kw_only=True):
    """What was found in an image."""

    findings: tuple[Finding, ...]
    problems: tuple[str, ...]
    """What was not examined, and why."""
    layers: int
    read_bytes: int


def scan_image(path: Path) -> ImageReport:
    """Return the secrets in the image. Raises OSError if it cannot be opened."""
    scan = _Scan()
    if path.is_dir():
        is_layout = any((path / name).is_file() for name in _LAYOUT_FILES)
        for name, file in _files(path, scan.problems):
            with file:
                if is_layout:
                    scan.part(name, file, os.fstat(file.fileno()).st_size)
                else:
                    scan.file(Place(path=name), file)
    else:
        with path.open("rb") as file:
            scan.archive(path.name, file, os.fstat(file.fileno()).st_size)
    return scan.report()


class _Scan:
    """One examination. Parts come in any order; what they are to the image is known at the end."""

    def __init__(self) -> None:
        self.problems: list[str] = []
        self._found: dict[tuple[Place, Sighting], None] = {}
        self._documents: dict[str, bytes] = {}
        self._documents_bytes = 0
        self._deletions: dict[str, set[str]] = {}
        self._deletions_count = 0
        self._members = 0
        self._read = 0

    def archive(self, name: str, file: io.BufferedReader, size: int) -> None:
        """Examine a tar file of parts, compressed or not."""
        with self._noting(name):
            source = _unpacked(file, size)
            if not looks_like_tar(source.peek(BLOCK)):
                self.problems.append(f"{name} is no tar file, so it was not examined.")
                return
            for member in members(source):
                self._count_member()
                self.part(member.name, member.content, member.size)

    def part(self, name: str, source: Source, size: int) -> None:
        """Examine a layer, a document or another part of the image."""
        name = name.removeprefix("./")
        peeked = _Peeked(source)
        head = peeked.peek(BLOCK)
        if head[:2] == _GZIP or head[:4] == _ZSTD or looks_like_tar(head):
            with self._noting(name):
                self._layer(name, _unpacked(peeked, size))
        elif size <= _MAX_DOCUMENT and head[:1] in (b"{", b"[") and _DOCUMENT_NAME.fullmatch(name):
            self._keep_document(name, peeked)
        else:
            self.file(Place(path=name), peeked)

    def file(self, place: Place, source: Source) -> None:
        """Examine a file."""
        with self._noting(place.path):
            self._examine(place, source)

    def report(self) -> ImageReport:
        """Return the report, after the documents were read."""
        index = ImageIndex(self._documents)
        for name, document in self._documents.items():
            if is_config(document):
                for place, sighting in config_sightings(document):
                    self._note(place, sighting)
            else:
                self.file(Place(path=name), io.BytesIO(document))
        findings = tuple(self._finding(place, sighting, index) for place, sighting in self._found)
        return ImageReport(findings=findings, problems=tuple(self.problems), layers=index.layers, read_bytes=self._read)

    def _examine(self, place: Place, source: Source) -> None:
        for sighting in scan_text(place.path, _Counted(source, self)):
            self._note(place, sighting)

    def _layer(self, name: str, source: "_Peeked") -> None:
        if not looks_like_tar(source.peek(BLOCK)):
            self.file(Place(path=name), source)
            return
        for member in members(source):
            self._count_member()
            path = member.name.removeprefix("./").strip("/")
            folder, _, base = path.rpartition("/")
            if base.startswith(".wh."):
                self._note_deletion(name, folder if base == ".wh..wh..opq" else f"{folder}/{base[4:]}".strip("/"))
            self._examine(Place(part=name, path=path), member.content)

    def _keep_document(self, name: str, source: "_Peeked") -> None:
        data = b"".join(iter(lambda: source.read(_MAX_DOCUMENT), b""))
        self._documents_bytes += len(data)
        self._read += len(data)
        if self._documents_bytes > _MAX_DOCUMENTS_BYTES:
            self.file(Place(path=name), io.BytesIO(data))
        else:
            self._documents[name] = data

    def _note(self, place: Place, sighting: Sighting) -> None:
        if len(self._found) < MAX_FINDINGS:
            self._found[place, sighting] = None
        elif (place, sighting) not in self._found:
            self._problem_once(f"More than {MAX_FINDINGS} secrets were found; the rest is not listed.")

    def _note_deletion(self, part: str, path: str) -> None:
        self._deletions_count += 1
        if self._deletions_count <= _MAX_DELETIONS:
            self._deletions.setdefault(path, set()).add(part)

    def _finding(self, place: Place, sighting: Sighting, index: ImageIndex) -> Finding:
        number = index.number_of(place.part)
        if number is None:
            return Finding(sighting=sighting, place=place)
        parents = place.path.split("/")
        paths = ("/".join(parents[:count]) for count in range(len(parents) + 1))
        deleting = {part for path in paths for part in self._deletions.get(path, ())}
        deleted = any((index.number_of(part) or 0) > number for part in deleting)
        return Finding(sighting=sighting, place=msgspec.structs.replace(place, layer=number), deleted=deleted)

    def _count_member(self) -> None:
        self._members += 1
        if self._members > _MAX_MEMBERS:
            raise InvalidTar(f"it has more than {_MAX_MEMBERS} files")

    def add_read(self, count: int) -> None:
        """Count what was read of files."""
        self._read += count

    def _problem_once(self, text: str) -> None:
        if text not in self.problems and len(self.problems) < MAX_FINDINGS:
            self.problems.append(text)

    @contextlib.contextmanager
    def _noting(self, name: str) -> Iterator[None]:
        """Note that a part is broken, and go on with the next one if there is any."""
        try:
            yield
        except _UNREADABLE as error:
            self._problem_once(f"{name} was not examined to its end: {error or type(error).__name__}.")


class _Counted:
    def __init__(self, source: Source, scan: _Scan) -> None:
        self._source, self._scan = source, scan

    def read(self, size: int, /) -> bytes:
        data = self._source.read(size)
        self._scan.add_read(len(data))
        return data


class _Peeked:
    """A source whose beginning can be seen before it is read."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._head = b""

    def peek(self, size: int) -> bytes:
        while len(self._head) < size and (data := self._source.read(size - len(self._head))):
            self._head += data
        return self._head[:size]

    def read(self, size: int = -1, /) -> bytes:
        if not self._head:
            return self._source.read(size)
        data, self._head = self._head[:size], self._head[size:]
        return data


class _Bounded:
    """Unpacked data, up to a number of bytes: a small file may unpack to a very large one."""

    def __init__(self, source: Source, most: int) -> None:
        self._source = source
        self._left = most

    def read(self, size: int, /) -> bytes:
        data = self._source.read(size)
        self._left -= len(data)
        if self._left < 0:
            raise InvalidTar(f"it unpacks to more than {_UNPACKED_TIMES} times its size")
        return data


def _unpacked(source: Source, size: int) -> _Peeked:
    """Return the source, unpacked if it is compressed; `size` in bytes as it is."""
    peeked = _Peeked(source)
    head = peeked.peek(len(_ZSTD))
    # both read their source with `read` only
    if head[:2] == _GZIP:
        inflated: Source = gzip.GzipFile(fileobj=cast(Any, peeked))
    elif head == _ZSTD:
        inflated = ZstdFile(cast(Any, peeked), options={DecompressionParameter.window_log_max: _MAX_WINDOW_LOG})
    else:
        return peeked
    return _Peeked(_Bounded(inflated, _UNPACKED_AT_LEAST + _UNPACKED_TIMES * size))


def _files(root: Path, problems: list[str]) -> Iterable[tuple[str, io.BufferedReader]]:
    """Yield the regular files below a folder; links are not followed, and pipes and devices not opened."""
    for folder, folders, names in os.walk(root, onerror=lambda error: problems.append(f"{error}, so it was left out.")):
        folders.sort()
        for name in sorted(names):
            path = Path(folder, name)
            shown = path.relative_to(root).as_posix()
            try:
                if not stat.S_ISREG(path.lstat().st_mode):
                    continue
                number = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
            except OSError as error:
                problems.append(f"{shown} was not examined: {error.strerror}.")
                continue
            yield shown, os.fdopen(number, "rb")
