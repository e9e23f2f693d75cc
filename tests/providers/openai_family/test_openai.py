"""OpenAI takes the caller's account headers, and no call goes there without a key."""

import pytest

from tests.providers.servers import OK, sending_parts, serve
from tests.providers.targets import begun, provider
from tidegate.core import endpoints
from tidegate.core.errors import NoUpstreamKey
from tidegate.providers.openai_family.openai import OpenAIProvider
from tidegate.providers.target import Target
from tidegate.wire.call import parse

CALL = parse(endpoints.CHAT, b'{"model":"gpt-4o"}')


async def test_the_callers_organization_is_forwarded() -> None:
    async with serve(sending_parts(OK)) as server, provider(server.address) as openai:
        assert isinstance(openai, OpenAIProvider)
        request = openai.build_request(CALL, Target("openai", "gpt-4o"))
        await begun(openai, request, openai.credentials[0], {"openai-organization": "org-callers"})
    assert "org-callers" in server.requests[0]


async def test_without_a_key_nothing_is_sent() -> None:
    async with serve(sending_parts(OK)) as server, provider(server.address, credentials=[]) as openai:
        with pytest.raises(NoUpstreamKey):
            await openai.probe(openai.credentials[0])
    assert server.connections == 0
