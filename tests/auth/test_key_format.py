"""A key carries its own checksum: a mistyped or invented key is rejected without a query."""

import hashlib
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.auth import key_format

ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
KEY = key_format.generate(lambda size: bytes(range(size)))


@given(st.binary(min_size=32, max_size=32))
def test_every_key_made_is_recognised_by_its_digest(random: bytes) -> None:
    token = key_format.generate(lambda _: random)
    assert len(token) == 55
    assert token.startswith("sk-tg-")
    assert token.isascii()
    assert key_format.parse(token) == hashlib.sha256(token.encode()).digest() == key_format.digest(token)


@given(st.integers(6, len(KEY) - 1), st.sampled_from(ALPHABET))
def test_one_wrong_character_anywhere_is_noticed(place: int, other: str) -> None:
    mistyped = KEY[:place] + other + KEY[place + 1 :]
    assert (key_format.parse(mistyped) is None) == (mistyped != KEY)


@given(st.text(max_size=80))
def test_no_text_is_too_strange(text: str) -> None:
    assert key_format.parse(text) is None
    assert len(key_format.digest(text)) == 32


@pytest.mark.parametrize(
    "wrong",
    [
        "",
        "sk-tg-",
        "sk-proj-" + KEY[6:],
        KEY[:-1],
        KEY + "0",
        KEY + " ",
        " " + KEY,
        KEY.upper(),
        KEY[:-1] + "é",
        "\ud800",
    ],
)
def test_a_text_that_is_no_key_is_rejected(wrong: str) -> None:
    assert key_format.parse(wrong) is None


def test_keys_do_not_repeat() -> None:
    assert len({key_format.generate(os.urandom) for _ in range(1000)}) == 1000


def test_different_randomness_never_gives_the_same_key() -> None:
    small, large = (key_format.generate(byte.__mul__) for byte in (b"\0", b"\xff"))
    assert small != large
    assert small[6:49] == "0" * 43


def test_the_hint_is_the_end() -> None:
    assert key_format.hint(KEY) == KEY[-4:]


@pytest.mark.parametrize(
    ("pasted", "key"),
    [
        ("sk-tg-abc", "sk-tg-abc"),
        (" Bearer sk-tg-abc\n", "sk-tg-abc"),
        ("Authorization:Bearer 'sk-tg-abc'", "sk-tg-abc"),
        ('export OPENAI_API_KEY="sk-tg-abc"', "sk-tg-abc"),
        ("other", "other"),
        (" \n", ""),
    ],
)
def test_a_pasted_key_is_tidied(pasted: str, key: str) -> None:
    assert key_format.tidied(pasted) == key
