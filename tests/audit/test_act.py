"""An audit line says what an act was about, and holds no secret, no caller's words and no end user's name."""

from typing import Any

import pytest

from tidegate.audit.act import MAX_PARAMETERS, MAX_VALUE_LENGTH, audited_parameters

KEY = "sk-proj-" + "q7" * 24


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ({"key_id": "key_1", "overlap_seconds": 60}, {"key_id": "key_1", "overlap_seconds": "60"}),
        ({"limits": {"rpm": 5, "tpm": None}}, {"limits.rpm": "5"}),
        ({"models": ["gpt-5", "o3"]}, {"models": "gpt-5, o3"}),
        ({"key": KEY}, {"key": "(not kept)"}),
        ({"words": "my divorce"}, {"words": "(not kept)"}),
        ({"something_new": "secret"}, {"something_new": "(not kept)"}),
        ({"limits": {"rpm": {"deep": KEY}}}, {"limits.rpm": "{'deep': '[redacted]'}"}),
        ({"name": KEY}, {"name": "[redacted]"}),
        ({KEY: 1}, {"[redacted]": "(not kept)"}),
        ({"name": "a\x1b[2J"}, {"name": "a\N{REPLACEMENT CHARACTER}[2J"}),
        ({"name": None, "models": [], "admin": False, "tag": ""}, {}),
    ],
)
def test_what_is_kept(given: dict[str, Any], kept: dict[str, str]) -> None:
    assert audited_parameters(given) == kept


def test_an_end_user_is_a_digest_by_which_operators_find_the_line() -> None:
    (digest,) = audited_parameters({"end_user": "ada"}).values()
    assert (digest, len(digest)) == (audited_parameters({"user": "ada"})["user"], len("sha256:") + 16)
    assert "ada" not in digest


def test_a_huge_request_makes_a_small_line() -> None:
    line = audited_parameters({f"name{number}": "x" for number in range(1000)} | {"name": "x" * 10_000})
    assert len(line) == MAX_PARAMETERS
    assert len(audited_parameters({"name": "x" * 10_000})["name"]) == MAX_VALUE_LENGTH
