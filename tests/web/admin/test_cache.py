"""Stored answers are purged over the admin API."""

import pytest

from tests.web.api_client import ApiClient
from tidegate.storage.redis import RedisLink


async def test_answers_are_purged(api_client: ApiClient, redis_link: RedisLink, redis_prefix: str) -> None:
    for name, model in (("a", "gpt-5"), ("b", "gpt-4o")):
        fields = ("at", "1", "in", "shop", "model", model, "by", f"req_{name}")
        await redis_link.command("HSET", f"{{{redis_prefix}}}:answer:{name}", *fields)
    for body, removed in (({"request_id": "req_x"}, 0), ({"model": "gpt-5"}, 1), ({"all": True}, 1)):
        answer = await api_client.send("POST", "/cache/purge", body)
        assert (answer.status, answer.json) == (200, {"removed": removed}), body


@pytest.mark.parametrize("body", [{}, {"all": True, "model": "m"}, {"request_id": "r", "project": "p"}, {"all": False}])
async def test_what_selects_nothing_or_contradicts_itself_is_refused(
    api_client: ApiClient, body: dict[str, object]
) -> None:
    answer = await api_client.send("POST", "/cache/purge", body)
    assert answer.status == 400
    assert "Nothing was purged" in answer.text
