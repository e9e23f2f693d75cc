"""Keys are recognized by their form and by chance; placeholders, words and references are left alone."""

import base64
import os

import pytest

from tests.leaks.planted import provider_key, random_text
from tidegate.auth import key_format
from tidegate.leaks.patterns import fingerprint, is_random, keys_in, setting, values_in

UPPER = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"

KEYS = {
    "key of a Tidegate gateway": key_format.generate(os.urandom),
    "API key of a model provider": provider_key(),
    "access key of AWS": "AKIA" + random_text(16, "b", UPPER),
    "API key of Google": "AIza" + random_text(35),
    "token of GitHub": "ghp" + "_" + random_text(36),
    "token of Slack": "xoxb" + "-" + random_text(40),
    "private key": "-----BEGIN RSA " + "PRIVATE KEY-----\nMIIEow" + base64.b64encode(os.urandom(48)).decode(),
    "password in an address": f"postgresql://shop:{random_text(20)}@db.internal/shop",
}


@pytest.mark.parametrize("kind", KEYS)
@pytest.mark.parametrize("around", ["{}", "x = '{}'\n", '\0\xff {"key":"{}"}', "A={} B=1"])
def test_a_key_is_seen_wherever_it_stands(kind: str, around: str) -> None:
    data = around.replace("{}", KEYS[kind]).encode("latin-1")
    assert [sighting.kind for sighting in keys_in(data)] == [kind]


@pytest.mark.parametrize(
    "text",
    [
        "sk-…",
        "sk-your-key-goes-here-please-1234",
        "sk-proj-xxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
        "sk-fading-circle12-container-animation",
        "the task-" + random_text(30),
        "AKIA" + "IOSFODNN7EXAMPLE",
        "postgresql://user:password@localhost/db",
        "https://user:${PASSWORD}@example.com",
        "-----BEGIN " + "PRIVATE KEY-----\n...",
        "-----BEGIN PUBLIC KEY-----\n" + "A" * 64,
        "disk-" * 40,
    ],
)
def test_what_is_no_key_is_left_alone(text: str) -> None:
    assert list(keys_in(text.encode())) == []


@pytest.mark.parametrize(
    ("name", "value", "found"),
    [
        ("OPENAI_API_KEY", provider_key(), True),
        ("ANYTHING", provider_key(), True),
        ("DB_PASSWORD", "correcthorse", True),
        ("TIDEGATE_REDIS_URL", "redis://:correcthorse@cache/0", True),
        ("SESSION_SECRET", "0123456789abcdef", True),
        ("OPENAI_API_KEY", "env:OTHER", False),
        ("OPENAI_API_KEY", "", False),
        ("DB_PASSWORD_FILE", "/run/secrets/db", False),
        ("DB_PASSWORD", "/run/secrets/db", False),
        ("DB_PASSWORD", "changeme-please", False),
        ("SECRET_NAME", "shop/openai-production", False),
        ("GPG_KEY", "7169605F62C751356D054A26A821E680E5FA6305", False),
        ("PATH", "/usr/local/bin:/usr/bin", False),
        ("TOKEN", "true", False),
    ],
)
def test_a_setting_tells_by_its_name_or_its_value(name: str, value: str, found: bool) -> None:
    assert (setting(name, value) is not None) == found


@pytest.mark.parametrize(
    ("text", "names"),
    [
        (f"export DB_PASSWORD='{random_text(20)}'", ["DB_PASSWORD"]),
        (f'"client_secret": "{random_text(24)}"', ["client_secret"]),
        ("DB_PASSWORD=correct-horse-battery", []),
        (f"COMMIT={random_text(20)}", []),
    ],
)
def test_a_value_in_a_file_needs_a_name_and_chance(text: str, names: list[str]) -> None:
    assert [name for name, _ in values_in(text.encode())] == names


def test_equal_keys_have_equal_fingerprints_and_passwords_have_none() -> None:
    key = provider_key()
    (first,), (second,) = (list(keys_in(f"{around}{key}\n".encode())) for around in ("a=", "Bearer "))
    assert first.fingerprint == second.fingerprint == fingerprint(key)
    assert key not in repr(first)
    (password,) = keys_in(KEYS["password in an address"].encode())
    assert password.fingerprint is None


@pytest.mark.parametrize(("text", "random"), [(random_text(16), True), (random_text(15), False), ("a1" * 20, False)])
def test_chance_has_a_least_length_and_variety(text: str, random: bool) -> None:
    assert is_random(text) == random
