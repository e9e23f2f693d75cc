"""A target that is alive but says nothing holds nobody: whoever shares the call gets the next target's answer."""

import asyncio
from typing import Any

import pytest

from tests.eventually import wait_until
from tests.faults import scripts, speech
from tests.faults.upstream import ReceivedRequest, Script, running_upstream
from tests.harness import Answer, World, chat_text
from tidegate.core import endpoints

MODEL = "tide"
GOOD = "".join(speech.WORDS)


def play(request: ReceivedRequest) -> Script:
    """The first provider sends heartbeats only, the second one answers."""
    return scripts.heartbeats(request) if request.provider == "first" else scripts.good(request)


def provider(root: str, name: str) -> dict[str, Any]:
    credentials = [{"name": name, "api_key": f"sk-{name}"}]
    return {"kind": "openai", "base_url": f"{root}/{name}/v1", "credentials": credentials, "endpoints": ["chat"]}


def text_of(answer: Answer) -> str:
    assert answer.status == 200, answer.text
    if answer.headers["content-type"] == "application/json":
        return str(answer.json["choices"][0]["message"]["content"])
    assert answer.text.endswith("data: [DONE]\n\n")
    return chat_text(answer.events)


@pytest.mark.parametrize("leader_streams", [True, False])
async def test_followers_get_the_next_targets_answer(world: World, leader_streams: bool) -> None:
    async with running_upstream(play) as upstream:
        sections: dict[str, Any] = {
            "upstream": {"first_byte_seconds": 2.0},
            "providers": {name: provider(upstream.root, name) for name in ("first", "second")},
            "routes": {MODEL: {"targets": [{"provider": "first"}, {"provider": "second"}]}},
        }
        async with world.gateway(**sections) as one, world.gateway(**sections) as other:
            bodies = [speech.request(endpoints.CHAT, MODEL, stream=stream) for stream in (leader_streams, True, False)]
            leader = asyncio.create_task(one.chat(bodies[0]))
            await wait_until(lambda: upstream.calls[MODEL] > 0)
            followers = [replica.chat(body) for replica in (one, other) for body in bodies]
            answers = await asyncio.gather(leader, *followers)
        assert [text_of(answer) for answer in answers] == [GOOD] * 7
        asked = [request.provider for request in upstream.requests[MODEL]]
    assert asked == ["first", "second"], "one call for all of them"
    assert [answer.headers["x-tidegate-cache"] for answer in answers] == ["miss", *["joined"] * 6]
    lines = await world.ledger_entries(7)
    assert {(line["outcome"], line["provider"], line["served_model"]) for line in lines} == {("ok", "second", MODEL)}
