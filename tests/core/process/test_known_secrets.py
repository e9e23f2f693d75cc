"""A secret that was loaded is found by its value, in each form in which it can stand in a text; nothing else is."""

import base64
import json
import threading
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.core.process.known_secrets import MIN_CHARACTERS, REDACTED, KnownSecrets, forms_of

PASSWORD = 'p@ss/w"rd é:+%'
URL = f"postgresql://tide:{quote(PASSWORD, safe='')}@base:5432/gateway"


def knowing(*values: str) -> KnownSecrets:
    """Return what knows these values, each by a name of its own."""
    known = KnownSecrets()
    for number, value in enumerate(values):
        known.remember(str(number), value)
    return known


@pytest.mark.parametrize(
    "form",
    [
        PASSWORD,
        quote(PASSWORD),
        quote(PASSWORD, safe=""),
        json.dumps(PASSWORD),
        repr(PASSWORD),
        repr([PASSWORD]),
        URL,
        f"could not connect to {URL}?sslmode=require",
        f"Authorization: Basic {base64.b64encode(f'tide:{PASSWORD}'.encode()).decode()}",
        base64.b64encode(PASSWORD.encode()).decode(),
        base64.urlsafe_b64encode(f":{PASSWORD}".encode()).decode(),
    ],
)
def test_the_password_of_an_address_is_found_in_every_form(form: str) -> None:
    text = knowing(URL).redact(f"before {form} after")
    assert REDACTED in text
    for part in (PASSWORD, quote(PASSWORD, safe=""), "w%22rd", 'w\\"rd'):
        assert part not in text
    assert text.startswith("before ")
    assert text.endswith(" after")


@given(st.text(min_size=MIN_CHARACTERS, max_size=100), st.text(max_size=50), st.text(max_size=50))
def test_no_key_of_any_letters_survives(key: str, before: str, after: str) -> None:
    if key in forms_of(key):  # an address without a password is no secret
        assert key not in knowing(key).redact(f"{before}{key}{after}").replace(REDACTED, "")


def test_other_words_stay() -> None:
    known = knowing("short", "redis://base:6379/0", "redis://user:one@base/0")
    for text in ("short words", "redis://base:6379/0 does not answer", "one of them"):
        assert known.redact(text) == text


def test_the_last_values_of_a_name_are_known_and_older_ones_are_forgotten() -> None:
    known = KnownSecrets()
    values = [f"value-number-{number}" for number in range(6)]
    for value in values:
        known.remember("key", value)
        known.remember("key", value)
    assert [known.redact(value) for value in values] == [*values[:3], REDACTED, REDACTED, REDACTED]


def test_a_value_that_is_a_part_of_another_leaves_nothing_of_it() -> None:
    assert knowing("secret-one", "secret-one-and-more").redact("secret-one-and-more") == REDACTED


@pytest.mark.parametrize("more", ["-and-more", "0123", "_x"])
def test_a_longer_key_that_begins_like_a_known_one_leaves_nothing(more: str) -> None:
    assert knowing("sk-" + "a" * 20).redact("the key sk-" + "a" * 20 + more + ", sent") == f"the key {REDACTED}, sent"


def test_of_too_many_names_the_one_that_was_loaded_longest_ago_is_left_out() -> None:
    known = KnownSecrets()
    for number in range(600):
        known.remember("the settings", "value-of-settings")
        known.remember(f"name {number}", f"value-{number:04d}")
    assert known.redact("value-0001") == "value-0001"
    assert known.redact("value-0599 value-0200 value-of-settings") == " ".join([REDACTED] * 3)


def test_threads_may_use_it_at_once() -> None:
    known = KnownSecrets()
    threads = [
        threading.Thread(target=known.remember, args=(f"name {number}", f"value-{number:04d}")) for number in range(50)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(known.redact(f"value-{number:04d}") == REDACTED for number in range(50))


def test_no_repr_shows_a_value() -> None:
    assert "secret-one" not in repr(knowing("secret-one"))
