"""A file is examined in parts: a key across their border is seen, and once; memory does not grow with the file."""

import io
import tracemalloc

import pytest

from tests.leaks.planted import provider_key, random_text
from tidegate.leaks.file_scan import PART_BYTES, scan_text


@pytest.mark.parametrize("before", [0, PART_BYTES - 30, PART_BYTES - 1, PART_BYTES, 3 * PART_BYTES + 5])
def test_a_key_is_seen_once_wherever_the_parts_end(before: int) -> None:
    data = b"\0" * before + provider_key().encode() + b"\n" + b"\0" * 5000
    assert len(list(scan_text("app/model.bin", io.BytesIO(data)))) == 1


@pytest.mark.parametrize(
    ("name", "count"),
    [(".env", 1), ("app/.env.production", 1), ("root/.aws/credentials", 1), ("prod.env", 1), ("app/main.py", 0)],
)
def test_names_tell_secrets_in_files_of_settings(name: str, count: int) -> None:
    text = f"DB_PASSWORD={random_text(24)}\n".encode()
    assert len(list(scan_text(name, io.BytesIO(text)))) == count


class Zeros:
    """A very large file."""

    def __init__(self, size: int) -> None:
        self.left = size

    def read(self, size: int, /) -> bytes:
        data = bytes(min(size, self.left))
        self.left -= len(data)
        return data


def test_a_large_file_takes_little_memory() -> None:
    tracemalloc.start()
    assert list(scan_text("large", Zeros(24 * PART_BYTES))) == []
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 8 * PART_BYTES
