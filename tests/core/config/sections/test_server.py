"""The gateway listens on a valid port, with positive timeouts."""

import pytest
from pydantic import ValidationError

from tidegate.core.config.sections.server import ServerConfig


@pytest.mark.parametrize(
    ("key", "value"),
    [("port", 70000), ("workers", 0), ("grace_seconds", 0), ("ping_seconds", 0), ("max_body_bytes", 1)],
)
def test_a_value_out_of_range_is_refused(key: str, value: object) -> None:
    with pytest.raises(ValidationError, match=key):
        ServerConfig.model_validate({key: value})


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("https://App.example.com", "https://app.example.com"),
        ("https://app.example.com:443", "https://app.example.com"),
        ("http://app.example.com:80", "http://app.example.com"),
        ("http://localhost:5173", "http://localhost:5173"),
        ("http://[::1]:5173", "http://[::1]:5173"),
        ("https://*.example.com", "https://*.example.com"),
        ("chrome-extension://abcdef", "chrome-extension://abcdef"),
        ("*", "*"),
        ("null", "null"),
    ],
)
def test_an_origin_is_kept_as_browsers_send_it(written: str, read: str) -> None:
    assert ServerConfig(cors_origins=(written,)).cors_origins == (read,)


@pytest.mark.parametrize(
    "text",
    ["app.example.com", "https://app.example.com/", "https://a.example/path", "https://*", "https://a.*.example", ""],
)
def test_what_is_no_origin_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ValidationError, match=r"write `https://app\.example\.com`, without a path"):
        ServerConfig.model_validate({"cors_origins": [text]})


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, 192 * 2**20),
        ({"max_body_bytes": 100 * 2**20}, 600 * 2**20),
        ({"max_body_bytes": 2**20, "body_memory_bytes": 6 * 2**20}, 6 * 2**20),
    ],
)
def test_the_largest_body_has_room_in_the_memory_for_bodies(settings: dict[str, int], expected: int) -> None:
    assert ServerConfig.model_validate(settings).body_memory == expected


def test_a_memory_in_which_the_largest_body_has_no_room_is_refused() -> None:
    with pytest.raises(ValidationError, match="at least six times max_body_bytes"):
        ServerConfig.model_validate({"body_memory_bytes": 2**20})
