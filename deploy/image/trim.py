"""Removes from installed packages what the gateway does not use: symbols for debuggers, sources in C, tests, colours.

Run in the image's build: `python3 trim.py FOLDER`. It needs the standard library only; the builder has no binutils.
"""

import shutil
import struct
import sys
from collections.abc import Iterator
from pathlib import Path

_UNUSED = (
    "pygments",  # Rich highlights source code with it; no command of ours prints any
    "pygments-*.dist-info",
    "pydantic/v1",  # the old API, which FastAPI does without
    "pgqueuer/adapters/web",  # its own pages, and its own server of tools
    "pgqueuer/adapters/mcp",
    "dateutil/zoneinfo",  # a second copy of the time zones
    "websockets/legacy",  # the interfaces before its present one, and those without asyncio
    "websockets/sync",
    "websockets/trio",
    "anyio/_backends/_trio.py",
    "backports/zstd/tarfile.py",  # archives
    "backports/zstd/zipfile",
    "multidict/_multidict_py.py",  # stands in for a library in C, which is there
    "redis/multidb",  # one client for Redis in several regions
    "pydantic/mypy.py",  # what checks and tests others' code
    "asyncpg/_testbase",
    "starlette/testclient.py",
    "click/testing.py",
    "aiohttp/test_utils.py",
    "aiohttp/pytest_plugin.py",
    "bin",
    "*/tests",
    "*/testing",
)
_SOURCES = {".c", ".cpp", ".h", ".pxd", ".pyi", ".pyx"}
_INSTALLED_FILES = "RECORD"
"""Lists a package's files for its removal, which never happens in an image."""
_METADATA = "METADATA"
_ELF64_LITTLE = b"\x7fELF\x02\x01"
_SEGMENT = struct.Struct("<8xQ16xQ16x")  # a program header: where its bytes are in the file, and how many


def trim(packages: Path) -> int:
    """Remove what is not used, and return how many bytes that was."""
    before = _size(packages)
    for path in [path for pattern in _UNUSED for path in packages.glob(pattern)]:
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    for path in [path for path in packages.rglob("*") if path.is_file()]:
        if path.suffix in _SOURCES or path.name == _INSTALLED_FILES:
            path.unlink()
        elif path.name == _METADATA:
            path.write_bytes(without_description(path.read_bytes()))
        elif path.suffix == ".so" or ".so." in path.name:
            path.write_bytes(without_symbols(path.read_bytes()))
    return before - _size(packages)


def without_symbols(library: bytes) -> bytes:
    """Return a shared library without what follows its last segment: symbol tables and debug information.

    The loader reads segments only. What is no 64-bit little-endian ELF file is returned as it is.
    """
    if not library.startswith(_ELF64_LITTLE):
        return library
    end = max(offset + length for offset, length in _segments(library))
    header = bytearray(library[:end])
    struct.pack_into("<Q", header, 0x28, 0)  # no section table,
    struct.pack_into("<HH", header, 0x3C, 0, 0)  # of no entries, without names
    return bytes(header)


def without_description(metadata: bytes) -> bytes:
    """Return a package's metadata without its description: name, version, licence and requirements stay.

    The description is all that follows the first empty line (Core metadata specifications, 2.1 and later).
    """
    return metadata.split(b"\n\n", 1)[0].rstrip(b"\n") + b"\n\n"


def _segments(library: bytes) -> Iterator[tuple[int, int]]:
    (table,) = struct.unpack_from("<Q", library, 0x20)
    size, count = struct.unpack_from("<HH", library, 0x36)
    for number in range(count):
        yield _SEGMENT.unpack_from(library, table + number * size)


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


if __name__ == "__main__":
    sys.stdout.write(f"Removed {trim(Path(sys.argv[1])) // 1_000_000} MB.\n")
