"""`tidegate cache purge` removes what is named, says how much, and refuses to guess."""

import json

import pytest
import redis

from tests.cli.conftest import Tidegate


@pytest.fixture
def stored(redis_url: str, redis_prefix: str, tidegate: Tidegate) -> redis.Redis:  # noqa: ARG001  # the stores are empty then
    """Three stored answers of two projects."""
    client = redis.Redis.from_url(redis_url)
    for name, project, model in (("a", "shop", "gpt-5"), ("b", "shop", "gpt-4o"), ("c", "harbour", "gpt-5")):
        fields = {
            "at": "1",
            "head": "h",
            "body": "b",
            "account": "{}",
            "in": project,
            "model": model,
            "by": f"req_{name}",
        }
        for field, value in fields.items():
            client.hset(f"{{{redis_prefix}}}:answer:{name}", field, value)
    return client


@pytest.mark.usefixtures("stored")
@pytest.mark.parametrize(
    ("options", "removed"),
    [
        (("--all",), 3),
        (("--project", "shop"), 2),
        (("--model", "gpt-5"), 2),
        (("--project", "shop", "--model", "gpt-5"), 1),
        (("--request", "req_c"), 1),
        (("--request", "req_x"), 0),
        (("--answer", "a"), 1),
        (("--answer", "x"), 0),
        (("--scope", "x"), 0),
    ],
)
def test_it_says_how_many_it_removed(tidegate: Tidegate, options: tuple[str, ...], removed: int) -> None:
    done = tidegate("cache", "purge", *options)
    assert (done.exit_code, done.output) == (0, f"Removed {removed} stored answer{'' if removed == 1 else 's'}.\n")
    assert json.loads(tidegate("cache", "purge", *options, "--json").output) == {"removed": 0}


@pytest.mark.parametrize(
    "options",
    [
        (),
        ("--all", "--project", "shop"),
        ("--request", "req_a", "--model", "m"),
        ("--model", ""),
        ("--answer", "a", "--all"),
        ("--answer", "a", "--scope", "s"),
    ],
)
def test_it_does_not_guess(tidegate: Tidegate, options: tuple[str, ...]) -> None:
    refused = tidegate("cache", "purge", *options)
    assert refused.exit_code == 2
    assert "Nothing was purged" in " ".join(refused.output.split())


def test_without_redis_it_is_one_sentence(tidegate: Tidegate) -> None:
    result = tidegate("cache", "purge", "--all", TIDEGATE_REDIS_URL="redis://127.0.0.1:1")
    assert (result.exit_code, result.stderr.startswith("Redis did not answer")) == (75, True)
