"""The configured admin key must be hard to guess, and only its digest is kept."""

import hashlib

import pytest

from tidegate.auth.admin_key import admin_digest
from tidegate.core.config import ConfigError
from tidegate.core.config.secret_reference import ReferredSecret, SecretReference

KEY = "0123456789abcdef0123456789abcdef"


def key_of(text: str) -> ReferredSecret:
    return ReferredSecret(text, SecretReference("env", "KEY"))


def test_no_place_is_no_key() -> None:
    assert admin_digest(None) is None


def test_a_key_becomes_its_digest() -> None:
    assert admin_digest(key_of(KEY)) == hashlib.sha256(KEY.encode()).digest()


@pytest.mark.parametrize("key", [KEY[:-1], f"{KEY} {KEY}", f"{KEY}é"])
def test_a_key_that_is_short_or_no_header_s_text_is_refused_and_not_repeated(key: str) -> None:
    with pytest.raises(ConfigError, match="env:KEY cannot be used: it needs at least 32 ASCII characters") as refusal:
        admin_digest(key_of(key))
    assert KEY[:8] not in str(refusal.value)
