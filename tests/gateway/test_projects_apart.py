"""A key of another project finds nothing by the project's ids, and changes nothing."""

from typing import Any

import pytest

from tests.harness import Answer, Gateway, World

Json = dict[str, Any]
MODEL = "gpt-4o-mini"
SECRET = "The vault opens at noon"
"""The owner's message."""


class Owner:
    """A project with one record of each kind, and what its own key shows of them."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self.names: dict[str, str] = {}

    async def _made(self, path: str, body: Json) -> Any:
        answer = await self._gateway.call(path, body)
        assert answer.status == 200, answer.text
        return answer.json

    async def settle(self) -> None:
        """Create one record of each kind."""
        named = (await self._made("/conversations", {"metadata": {"of": SECRET}}))["id"]
        said = {"role": "user", "content": SECRET}
        turn = await self._made("/responses", {"model": MODEL, "input": [said], "conversation": named})
        first = await self._made("/responses", {"model": MODEL, "input": SECRET, "instructions": SECRET})
        stored = await self._made("/chat/completions", {"model": MODEL, "messages": [said], "store": True})
        item = turn["output"][0]["id"]
        self.names = {"conv": named, "turn": turn["id"], "resp": first["id"], "item": item, "chat": stored["id"]}

    async def shown(self) -> list[Answer]:
        """Return all of them."""
        paths = (
            "/conversations/{conv}",
            "/conversations/{conv}/items",
            "/responses/{turn}",
            "/responses/{resp}",
            "/responses/{resp}/input_items",
            "/chat/completions",
            "/chat/completions/{chat}",
            "/chat/completions/{chat}/messages",
        )
        return [await self._gateway.call(path.format(**self.names)) for path in paths]


@pytest.fixture
async def owner(gateway: Gateway) -> Owner:
    owner = Owner(gateway)
    await owner.settle()
    return owner


ASK: Json = {"model": MODEL, "input": "What was said?"}
ATTEMPTS: list[tuple[str, str, Json | None, int]] = [
    ("GET", "/conversations/{conv}", None, 404),
    ("POST", "/conversations/{conv}", {"metadata": {"of": "me"}}, 404),
    ("DELETE", "/conversations/{conv}", None, 404),
    ("GET", "/conversations/{conv}/items", None, 404),
    ("GET", "/conversations/{conv}/items?after={item}", None, 404),
    ("POST", "/conversations/{conv}/items", {"items": [{"role": "user", "content": "me"}]}, 404),
    ("GET", "/conversations/{conv}/items/{item}", None, 404),
    ("DELETE", "/conversations/{conv}/items/{item}", None, 404),
    ("GET", "/responses/{resp}", None, 404),
    ("GET", "/responses/{resp}?stream=true", None, 404),
    ("DELETE", "/responses/{resp}", None, 404),
    ("POST", "/responses/{resp}/cancel", {}, 404),
    ("GET", "/responses/{resp}/input_items", None, 404),
    ("POST", "/responses", {**ASK, "previous_response_id": "{resp}"}, 400),
    ("POST", "/responses", {**ASK, "previous_response_id": "{turn}", "background": True}, 400),
    ("POST", "/responses", {**ASK, "conversation": "{conv}"}, 404),
    ("POST", "/responses", {**ASK, "conversation": {"id": "{conv}"}, "store": False}, 404),
    ("POST", "/responses", {**ASK, "input": [{"type": "item_reference", "id": "{item}"}]}, 404),
    ("POST", "/responses/input_tokens", {**ASK, "previous_response_id": "{resp}"}, 400),
    ("POST", "/responses/input_tokens", {**ASK, "conversation": "{conv}"}, 404),
    ("POST", "/responses/compact", {**ASK, "previous_response_id": "{resp}"}, 400),
    ("GET", "/chat/completions/{chat}", None, 404),
    ("POST", "/chat/completions/{chat}", {"metadata": {"of": "me"}}, 404),
    ("DELETE", "/chat/completions/{chat}", None, 404),
    ("GET", "/chat/completions/{chat}/messages", None, 404),
    ("GET", "/chat/completions", None, 200),
    ("GET", "/chat/completions?after={chat}", None, 404),
]


def with_ids(value: Any, names: dict[str, str]) -> Any:
    """Return the value with the owner's ids in it."""
    if isinstance(value, dict):
        return {name: with_ids(one, names) for name, one in value.items()}
    if isinstance(value, list):
        return [with_ids(one, names) for one in value]
    return value.format(**names) if isinstance(value, str) else value


async def test_a_stranger_finds_nothing_and_changes_nothing(gateway: Gateway, world: World, owner: Owner) -> None:
    before = [answer.json for answer in await owner.shown()]
    stranger = Gateway(gateway.root, (await world.make_key("bank")).token, world.http)
    asked = await world.calls("responses")
    for method, path, body, status in ATTEMPTS:
        answer = await stranger.call(path.format(**owner.names), with_ids(body, owner.names), method=method)
        assert answer.status == status, (method, path, body, answer.text)
        assert SECRET not in answer.text, (method, path, body)
    assert (await stranger.call("/chat/completions")).json["data"] == []
    assert await world.calls("responses") == asked, "nobody was asked"
    assert [answer.json for answer in await owner.shown()] == before


async def test_the_same_question_of_another_project_is_no_hit_and_has_ids_of_its_own(
    gateway: Gateway, world: World, owner: Owner
) -> None:
    stranger = Gateway(gateway.root, (await world.make_key("bank")).token, world.http)
    same = await stranger.call("/responses", {"model": MODEL, "input": SECRET, "instructions": SECRET})
    assert (same.status, same.headers["x-tidegate-cache"]) == (200, "miss")
    assert not {same.json["id"], same.json["output"][0]["id"]} & set(owner.names.values())
