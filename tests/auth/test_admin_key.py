"""The configured admin key is read from its place, must be hard to guess, and only its digest is kept."""

import hashlib

import pytest

from tidegate.auth.admin_key import read_admin_digest
from tidegate.core.config import ConfigError

KEY = "0123456789abcdef0123456789abcdef"


def test_no_place_is_no_key() -> None:
    assert read_admin_digest(None, {}) is None


def test_a_key_becomes_its_digest() -> None:
    assert read_admin_digest("env:KEY", {"KEY": f"{KEY}\n"}) == hashlib.sha256(KEY.encode()).digest()


@pytest.mark.parametrize("key", [KEY[:-1], f"{KEY} {KEY}", f"{KEY}é"])
def test_a_key_that_is_short_or_no_header_s_text_is_refused_and_not_repeated(key: str) -> None:
    with pytest.raises(ConfigError, match="at least 32 ASCII characters") as refusal:
        read_admin_digest("env:KEY", {"KEY": key})
    assert KEY[:8] not in str(refusal.value)


def test_a_missing_key_is_told() -> None:
    with pytest.raises(ConfigError, match="env:KEY is missing"):
        read_admin_digest("env:KEY", {})
