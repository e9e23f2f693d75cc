"""`Cache-Control` is honoured as RFC 9111 says, and what cannot be understood is ignored."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.cache.policy import DEFAULT_POLICY, NO_STORE_POLICY, CachePolicy, parse_cache_control


@pytest.mark.parametrize(
    ("header", "policy"),
    [
        (None, DEFAULT_POLICY),
        ("", DEFAULT_POLICY),
        ("no-transform", DEFAULT_POLICY),
        ("private, max-stale=5, x", DEFAULT_POLICY),
        ("no-cache", CachePolicy(lookup=False)),
        ("No-Cache", CachePolicy(lookup=False)),
        ("no-store", NO_STORE_POLICY),
        ("no-cache, no-store", NO_STORE_POLICY),
        ("max-age=60,no-store", NO_STORE_POLICY),
        ("max-age=60", CachePolicy(max_age=60)),
        (" Max-Age = 60".replace(" = ", "="), CachePolicy(max_age=60)),
        ('max-age="60"', CachePolicy(max_age=60)),
        ("max-age=0", CachePolicy(lookup=False, max_age=0)),
        ("max-age=99999999999", CachePolicy(max_age=2**31)),
        ("max-age=" + "9" * 5000, DEFAULT_POLICY),
        ("max-age=-1", DEFAULT_POLICY),
        ("max-age=1.5", DEFAULT_POLICY),
        ("max-age", DEFAULT_POLICY),
        ("max-age=²", DEFAULT_POLICY),
        ("only-if-cached", CachePolicy(only_stored=True)),
        ("only-if-cached, max-age=5", CachePolicy(only_stored=True, max_age=5)),
        ("max-age=5,,  , no-cache", CachePolicy(lookup=False, max_age=5)),
    ],
)  # fmt: skip
def test_what_each_header_asks_for(header: str | None, policy: CachePolicy) -> None:
    assert parse_cache_control(header) == policy


@given(st.text(max_size=60))
def test_no_header_is_an_error(header: str) -> None:
    policy = parse_cache_control(header)
    assert policy.lookup or policy.max_age == 0 or "no-" in header.lower()
