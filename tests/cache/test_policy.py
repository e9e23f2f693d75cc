"""`Cache-Control` is honoured as RFC 9111 says, and operators keep out of the cache what ages or varies."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.cache.policy import (
    DEFAULT_POLICY,
    NO_STORE_POLICY,
    CachePolicy,
    is_kept_out,
    parse_cache_control,
    with_idempotency_key,
)
from tidegate.core import endpoints
from tidegate.core.config import CacheConfig
from tidegate.core.endpoints import Endpoint
from tidegate.wire.call import parse


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


SEARCH = {"tools": [{"type": "function", "name": "f"}, {"type": "web_search"}]}
TOOLS_OUT, SAMPLED_OUT = CacheConfig(store_hosted_tools=False), CacheConfig(store_sampled=False)


@pytest.mark.parametrize(
    ("config", "route", "body", "kept_out"),
    [
        (CacheConfig(), endpoints.RESPONSES, {**SEARCH, "temperature": 1}, False),
        (TOOLS_OUT, endpoints.RESPONSES, SEARCH, True),
        (TOOLS_OUT, endpoints.RESPONSES, {"tools": [{"type": "file_search", "vector_store_ids": ["vs_1"]}]}, True),
        (
            TOOLS_OUT,
            endpoints.RESPONSES,
            {"tools": [{"type": "code_interpreter", "container": {"type": "auto"}}]},
            True,
        ),
        (TOOLS_OUT, endpoints.RESPONSES, {"tools": [{"type": "function", "name": "f"}]}, False),
        (TOOLS_OUT, endpoints.RESPONSES, {"tools": []}, False),
        (TOOLS_OUT, endpoints.CHAT, {"web_search_options": {}}, True),
        (TOOLS_OUT, endpoints.CHAT, {"model": "gpt-4o-search-preview"}, True),
        (TOOLS_OUT, endpoints.CHAT, {"temperature": 2}, False),
        (SAMPLED_OUT, endpoints.CHAT, {}, True),
        (SAMPLED_OUT, endpoints.RESPONSES, {"temperature": None}, True),
        (SAMPLED_OUT, endpoints.CHAT, {"temperature": 0.2}, True),
        (SAMPLED_OUT, endpoints.CHAT, {"temperature": "0"}, True),
        (SAMPLED_OUT, endpoints.CHAT, {"temperature": 0}, False),
        (SAMPLED_OUT, endpoints.RESPONSES, {"temperature": 0.0, **SEARCH}, False),
        (SAMPLED_OUT, endpoints.EMBEDDINGS, {}, False),
        (SAMPLED_OUT, endpoints.MODERATIONS, {}, False),
    ],
)
def test_the_configuration_keeps_out_what_ages_or_is_sampled(
    config: CacheConfig, route: Endpoint, body: dict[str, Any], kept_out: bool
) -> None:
    call = parse(route, msgspec.json.encode({"model": "gpt-4o", "input": "x", **body}))
    assert is_kept_out(call, config) is kept_out


def test_an_idempotency_key_lets_calls_share_what_is_not_stored() -> None:
    shared = with_idempotency_key(NO_STORE_POLICY, "once")

    assert (shared.may_join, shared.idempotency_key, shared.store, shared.lookup) == (True, "once", False, False)
    assert with_idempotency_key(DEFAULT_POLICY, "once") == DEFAULT_POLICY
    assert with_idempotency_key(NO_STORE_POLICY, None) == with_idempotency_key(NO_STORE_POLICY, "") == NO_STORE_POLICY
    assert not NO_STORE_POLICY.may_join
