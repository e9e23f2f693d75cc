"""Key material of every form is removed from text, and nothing else is."""

import string
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.core.scrub import REDACTED, remember_secret, scrub, scrub_start, scrub_value

BODY = "Ab3dEf9hIjKlMnOpQrStUvWxYz012345"
KEYS = [
    f"sk-{BODY}",
    f"sk-proj-{BODY}_{BODY}-{BODY}",
    f"sk-svcacct-{BODY}",
    f"sk-admin-{BODY}",
    f"sk-tg-{BODY}",
    f"sess-{BODY}",
    f"rk-{BODY}",
    f"pk-{BODY}",
]


@pytest.mark.parametrize(
    "words",
    [
        "Send it as `Authorization: Bearer sk-tg-…`",
        "a key begins with sk-...",
        "Bearer [redacted]",
        "The model `sk-learn-7b` does not exist",
        "sk-learn-v2",
        "Basic authentication is not supported",
        "the bearer remains responsible",
        "a task-force of risk-takers",
    ],
)
def test_advice_and_ordinary_words_are_left_alone(words: str) -> None:
    assert scrub(words) == words


@pytest.mark.parametrize(
    "secret",
    [
        "sk-1234",
        "sk-abcd-1234",
        "sk-learn-1234abcd",
        "Basic dXNlcjpwYXNz",
        "bearer abcdefghijklmnopqrstuvw",
        "Bearer abc123",
    ],
)
def test_short_keys_and_tokens_are_removed(secret: str) -> None:
    assert scrub(f"it was {secret}") in ("it was [redacted]", f"it was {secret.split(maxsplit=1)[0]} [redacted]")


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize(
    "where",
    [
        "{}", "key {} refused", "'{}'", '"{}"', "({})", "key={}", "key={}&x=1", "a,{},b", "{}.", "Bearer {}",
        "bearer {}", "Authorization: Bearer {}", "b'Bearer {}'", "\n{}\n", "OPENAI_API_KEY={}", "x_{}", "é{}", "/{}/",
        "https://h/?key={}",
        "https://user:{}@host/", "<{}>", "{}\u00a0", "{{'api_key': '{}'}}", "[{}]",
    ],
)  # fmt: skip
def test_a_key_is_removed_wherever_it_stands(key: str, where: str) -> None:
    clean = scrub(where.format(key))
    assert BODY[:8] not in clean
    assert REDACTED in clean


@pytest.mark.parametrize(
    "echo",
    [
        "sk-5f6ce***************************acdb",
        "sk-5f6ce***…acdb",
        "sk-ab...wxyz",
        "sk-a...wxyz",
        "sk-proj-****wxyz",
        "sk-…wxyz",
        "sk-***wxyz",
        "sk-abcd....wxyz",
        "sk-tg-ab…wxyz",
        "5f6c**********wxyz",
        "gibberish-wxyz",
    ],
)
def test_a_key_as_openai_echoes_it_is_removed_too(echo: str) -> None:
    message = f"Incorrect API key provided: {echo}. You can find your API key at https://platform.openai.com."
    assert (
        scrub(message)
        == f"Incorrect API key provided: {REDACTED}. You can find your API key at https://platform.openai.com."
    )
    if echo.startswith("sk-"):
        assert "wxyz" not in scrub(f"what is {echo}?")


@pytest.mark.parametrize(
    "secret",
    [
        "Bearer c2VjcmV0LXRpZGU=", "bearer secret-tide.x", "Basic dXNlcjpzZWNyZXQ=",
        "authorization: BEARER secret-tide",
        "api-key: secret0tide1", '"api-key": "secret0tide1"', "x-api-key=secret0tide1", "X-API-KEY: secret0tide1",
        "postgresql://user:secret-tide@host/db", "redis://:secret-tide@host:6379/0", "rediss://u:secret-tide@h",
        "postgresql://user:secret/tide@host/db", "postgresql://user:sec@ret-tide@host/db", "http://u:secret-tide@proxy:80",
        "postgresql://host/db?user=u&password=secret-tide", "postgresql:///db?password=secret%2Ftide&x=1",
    ],
)  # fmt: skip
def test_other_credentials_are_removed(secret: str) -> None:
    for text in (secret, f"could not use {secret} at all", f'{{"url": "{secret}"}}'):
        clean = scrub(text)
        for part in ("secret", "tide", "c2Vjc", "dXNlc", "ret-"):
            assert part not in clean
        assert REDACTED in clean


@pytest.mark.parametrize(
    "text",
    [
        "", "the task-force asks for risk-averse desk-work", "ask-me-anything", "gpt-4o-mini", "http://localhost:8080/v1",
        "Rate limit reached for gpt-4o in organization org-abc on tokens per min (TPM): Limit 30000, Used 29937.",
        "The bearer of bad news", "basic facts", "https://platform.openai.com/account/api-keys.", "user@example.com",
        "connect to localhost:5432", "12:30 and user@host", "invalid_api_key", "disk-full", "postgresql://host/db",
    ],
)  # fmt: skip
def test_what_is_no_secret_stays_as_it_is(text: str) -> None:
    assert scrub(text) == text


@given(
    before=st.text(max_size=30),
    prefix=st.sampled_from(["sk-", "sk-proj-", "sk-tg-", "sess-", "rk-"]),
    key=st.text(string.ascii_letters + string.digits + "_-", min_size=20, max_size=60),
    after=st.text(max_size=30),
)
def test_no_text_around_it_hides_a_key(before: str, prefix: str, key: str, after: str) -> None:
    word = before[-1:].isascii() and before[-1:].isalnum()  # with which the prefix would only be its end
    assert prefix + key not in scrub(before + (" " if word else "") + prefix + key + after)


@given(st.text(max_size=80) | st.text("sk-:/@*.… \"'aB3=&?password", max_size=80))
def test_what_is_clean_stays_clean(text: str) -> None:
    assert scrub(scrub(text)) == scrub(text)


@pytest.mark.parametrize("piece", ["://:", "://a:b", "sk-", "Bearer ", "sk-a.", "api-key:", "?password=", "sk-*"])
def test_no_text_takes_long(piece: str) -> None:
    text = piece * 20_000
    scrub(text)  # quadratic work would take minutes here


class Odd:
    """Whatever a log line may carry."""

    def __str__(self) -> str:
        return f"<odd {KEYS[0]}>"


@pytest.mark.parametrize(
    ("value", "clean"),
    [
        (None, None),
        (True, True),
        (7, 7),
        (0.5, 0.5),
        (KEYS[0], REDACTED),
        ([KEYS[0], 1, None], [REDACTED, 1, None]),
        ((KEYS[0],), [REDACTED]),
        ({"a": {"b": [{"c": f"x {KEYS[1]}"}]}}, {"a": {"b": [{"c": f"x {REDACTED}"}]}}),
        ({KEYS[0]: 1}, {REDACTED: 1}),
        ({7: KEYS[0]}, {"7": REDACTED}),
        (ValueError(f"bad {KEYS[0]}"), f"bad {REDACTED}"),
        (KEYS[0].encode(), f"b'{REDACTED}'"),
        (Odd(), f"<odd {REDACTED}>"),
        ({KEYS[0]}, f"{{'{REDACTED}'}}"),
    ],
)
def test_whatever_carries_a_key_comes_out_clean(value: Any, clean: Any) -> None:
    assert scrub_value(value) == clean


def test_a_secret_that_was_loaded_is_removed_although_it_has_no_known_form() -> None:
    assert scrub("it is tide-and-harbour-77") == "it is tide-and-harbour-77"
    remember_secret("test_scrub", "tide-and-harbour-77")
    assert scrub("it is tide-and-harbour-77") == f"it is {REDACTED}"
    assert scrub_value({"a": ["tide-and-harbour-77"]}) == {"a": [REDACTED]}


@pytest.mark.parametrize("cut", range(1, 20))
def test_no_half_of_a_secret_is_left_where_a_text_is_cut(cut: int) -> None:
    remember_secret("test_scrub", "tide-and-harbour-88")
    text = scrub_start(f"{'x' * 100}tide-and-harbour-88", 100 + cut)
    assert "tide" not in text
