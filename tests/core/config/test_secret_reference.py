"""A secret is read from the place that the configuration names; what cannot be one is told, without the secret."""

from pathlib import Path

import pytest

from tidegate.core.config import ConfigError
from tidegate.core.config.secret_reference import MAX_BYTES, is_reference, read_secret


@pytest.mark.parametrize(
    ("text", "expected"),
    [("env:KEY", True), ("file:/run/key", True), ("env:", False), ("file:", False), ("sk-123", False), ("", False)],
)
def test_a_place_is_told_from_a_secret(text: str, expected: bool) -> None:
    assert is_reference(text) is expected


@pytest.mark.parametrize("value", ["secret", " secret ", "secret\n"])
def test_a_secret_is_read_from_a_variable(value: str) -> None:
    assert read_secret("env:KEY", {"KEY": value}) == "secret"


@pytest.mark.parametrize("content", [b"secret", b"secret\n", b"secret\r\n", b"\xef\xbb\xbfsecret", b"  secret\n\n"])
def test_a_secret_is_read_from_a_file_however_an_editor_left_it(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "key").write_bytes(content)
    assert read_secret(f"file:{tmp_path / 'key'}", {}) == "secret"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "missing or empty"),
        (b" \n", "missing or empty"),
        (b"\xef\xbb\xbf", "missing or empty"),
        (b"hidden\xff", "not text"),
        (b"hidden\nhidden", "cannot be printed"),
        (b"hidden\x00", "cannot be printed"),
        (b"hidden" * MAX_BYTES, "larger than 65,536 bytes"),
    ],
)
def test_a_file_that_holds_no_secret_is_named_and_its_content_is_not(
    tmp_path: Path, content: bytes, reason: str
) -> None:
    (tmp_path / "key").write_bytes(content)
    with pytest.raises(ConfigError, match=reason) as refusal:
        read_secret(f"file:{tmp_path / 'key'}", {})
    assert f"file:{tmp_path / 'key'}" in str(refusal.value)
    assert "hidden" not in str(refusal.value)


@pytest.mark.parametrize(
    ("reference", "reason"),
    [
        ("env:MISSING", "missing or empty"),
        ("file:/missing/key", "No such file"),
        ("file:/", "Is a directory"),
        ("file:a\0b", "no path"),
    ],
)
def test_a_place_without_a_secret_is_named(reference: str, reason: str) -> None:
    with pytest.raises(ConfigError, match=reason):
        read_secret(reference, {})
