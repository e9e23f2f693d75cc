"""The scripted upstream recognizes its case by the model's name, and plays it byte by byte."""

import asyncio

import aiohttp
import msgspec
import pytest

from tests.eventually import wait_until
from tests.faults import scripts, speech
from tests.faults.upstream import ReceivedRequest, Script, ScriptAction, running_upstream
from tidegate.core import endpoints
from tidegate.core.endpoints import Endpoint


@pytest.mark.parametrize("route", list(speech.PATHS))
async def test_what_it_was_asked_is_known_afterwards(route: Endpoint) -> None:
    async with running_upstream(scripts.good) as upstream, aiohttp.ClientSession() as http:
        body = speech.request(route, "a-case", stream=False)
        address = f"{upstream.root}/second{route.path}"
        async with http.post(address, json=body, headers={"authorization": "Bearer sk-b"}) as answer:
            assert await answer.read() == speech.whole(route, "a-case")
    (request,) = upstream.requests["a-case"]
    assert (request.provider, request.route, request.credential, request.stream) == ("second", route, "sk-b", False)
    assert msgspec.json.decode(request.body) == body
    assert upstream.calls == {"a-case": 1}


@pytest.mark.parametrize("last", [ScriptAction.CLOSE, ScriptAction.RESET])
async def test_a_connection_ends_as_the_script_says(last: ScriptAction) -> None:
    def cut(request: ReceivedRequest) -> Script:
        return scripts.continued(scripts.first_half(request), last)

    async with running_upstream(cut) as upstream, aiohttp.ClientSession() as http:
        body = speech.request(endpoints.CHAT, "a-case", stream=True)
        async with http.post(f"{upstream.root}/first{endpoints.CHAT.path}", json=body) as answer:
            with pytest.raises(aiohttp.ClientError):
                await answer.read()


async def test_silence_lasts_until_the_other_side_leaves() -> None:
    async with running_upstream(lambda _: [ScriptAction.SILENCE]) as upstream, aiohttp.ClientSession() as http:
        body = speech.request(endpoints.CHAT, "a-case", stream=True)
        asking = asyncio.ensure_future(http.post(f"{upstream.root}/first{endpoints.CHAT.path}", json=body))
        await wait_until(lambda: upstream.calls["a-case"] == 1)
        done, _ = await asyncio.wait({asking}, timeout=0.05)
        assert not done
        asking.cancel()
        await wait_until(lambda: upstream.disconnects["a-case"] == 1)
