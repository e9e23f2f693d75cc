"""`Cache-Control` is honoured as RFC 9111 says, and what cannot be understood is ignored."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.cache.policy import ANYTHING, NOTHING, CachePolicy, read


@pytest.mark.parametrize(
    ("header", "policy"),
    [
        (None, ANYTHING),
        ("", ANYTHING),
        ("no-transform", ANYTHING),
        ("private, max-stale=5, x", ANYTHING),
        ("no-cache", CachePolicy(lookup=False)),
        ("No-Cache", CachePolicy(lookup=False)),
        ("no-store", NOTHING),
        ("no-cache, no-store", NOTHING),
        ("max-age=60,no-store", NOTHING),
        ("max-age=60", CachePolicy(max_age=60)),
        (" Max-Age = 60".replace(" = ", "="), CachePolicy(max_age=60)),
        ('max-age="60"', CachePolicy(max_age=60)),
        ("max-age=0", CachePolicy(lookup=False, max_age=0)),
        ("max-age=99999999999", CachePolicy(max_age=2**31)),
        ("max-age=" + "9" * 5000, ANYTHING),
        ("max-age=-1", ANYTHING),
        ("max-age=1.5", ANYTHING),
        ("max-age", ANYTHING),
        ("max-age=²", ANYTHING),
        ("only-if-cached", CachePolicy(only_stored=True)),
        ("only-if-cached, max-age=5", CachePolicy(only_stored=True, max_age=5)),
        ("max-age=5,,  , no-cache", CachePolicy(lookup=False, max_age=5)),
    ],
)  # fmt: skip
def test_what_each_header_asks_for(header: str | None, policy: CachePolicy) -> None:
    assert read(header) == policy


@given(st.text(max_size=60))
def test_no_header_is_an_error(header: str) -> None:
    policy = read(header)
    assert policy.lookup or policy.max_age == 0 or "no-" in header.lower()
