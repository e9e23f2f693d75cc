"""A secret is read from the place that the configuration names; what cannot be one is told, without the secret."""

import os
from pathlib import Path

import pytest

from tidegate.core.config import ConfigError
from tidegate.core.config.secret_reference import MAX_BYTES, is_reference, parse_reference, read_local


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("env:KEY", True),
        ("file:/run/key", True),
        ("aws-sm:team/openai#key", True),
        ("aws-sm:arn:aws:secretsmanager:eu-west-1:123456789012:secret:team/openai-AbCdEf", True),
        ("gcp-sm:projects/shop-1/secrets/openai", True),
        ("gcp-sm:projects/shop-1/secrets/openai/versions/7", True),
        ("azure-kv:shop/openai", True),
        ("env:", False),
        ("file:", False),
        ("gcp-sm:openai", False),
        ("azure-kv:shop", False),
        ("azure-kv:shop/../openai", False),
        ("aws-sm:", False),
        ("aws-sm:a b", False),
        ("sk-123", False),
        ("postgresql://user:password@host/base", False),
        ("redis://host", False),
        ("", False),
    ],
)
def test_a_place_is_told_from_a_secret(text: str, expected: bool) -> None:
    assert is_reference(text) is expected


@pytest.mark.parametrize(
    ("text", "hint"),
    [("aws_sm:x", "aws-sm"), ("gpc-sm:x", "gcp-sm"), ("azure-kw:x/y", "azure-kv"), ("aws-sm:a b", "write aws-sm:NAME")],
)
def test_what_begins_as_a_reference_and_is_none_is_refused_with_the_right_words(text: str, hint: str) -> None:
    with pytest.raises(ValueError, match=hint):
        parse_reference(text)


@pytest.mark.parametrize("text", ["env:KEY", "aws-sm:team/openai#key", "gcp-sm:projects/p/secrets/s/versions/7"])
def test_a_reference_reads_as_it_was_written(text: str) -> None:
    assert str(parse_reference(text)) == text


def read(text: str, **environ: str) -> str:
    reference = parse_reference(text)
    assert reference is not None
    return read_local(reference, environ)


@pytest.mark.parametrize("value", ["secret", " secret ", "secret\n"])
def test_a_secret_is_read_from_a_variable(value: str) -> None:
    assert read("env:KEY", KEY=value) == "secret"


@pytest.mark.parametrize("content", [b"secret", b"secret\n", b"secret\r\n", b"\xef\xbb\xbfsecret", b"  secret\n\n"])
def test_a_secret_is_read_from_a_file_however_an_editor_left_it(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "key").write_bytes(content)
    assert read(f"file:{tmp_path / 'key'}") == "secret"


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
        read(f"file:{tmp_path / 'key'}")
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
        read(reference)


def test_a_link_may_lead_within_its_folder_and_not_out_of_it(tmp_path: Path) -> None:
    folder, outside = tmp_path / "secrets", tmp_path / "outside"
    (folder / "..2026").mkdir(parents=True)
    (folder / "..2026" / "key").write_text("secret")
    (folder / "..data").symlink_to("..2026")
    (folder / "key").symlink_to("..data/key")  # as Kubernetes mounts secrets
    outside.write_text("hidden")
    (folder / "other").symlink_to(outside)
    assert read(f"file:{folder / 'key'}") == "secret"
    with pytest.raises(ConfigError, match="outside of its folder"):
        read(f"file:{folder / 'other'}")


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ConfigError, match="no regular file"):
        read(f"file:{tmp_path / 'pipe'}")
