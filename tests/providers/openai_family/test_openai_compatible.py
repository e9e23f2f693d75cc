"""A compatible server may need no key, and never gets the caller's OpenAI account."""

from tests.providers.servers import OK, sending_parts, serve
from tests.providers.targets import MAIN, SECRET, begun, provider
from tidegate.core import endpoints
from tidegate.providers.openai_family.openai_compatible import OpenAICompatibleProvider
from tidegate.providers.target import Target
from tidegate.wire.call import parse

CALL = parse(endpoints.CHAT, b'{"model":"m"}')
ACCOUNT = {"openai-organization": "org-callers", "openai-project": "proj-callers"}


async def test_without_a_key_no_authorization_is_sent() -> None:
    async with (
        serve(sending_parts(OK)) as server,
        provider(server.address, kind="openai_compatible", credentials=[]) as own,
    ):
        assert isinstance(own, OpenAICompatibleProvider)
        await begun(own, own.build_request(CALL, Target("own", "m")), own.credentials[0], ACCOUNT)
    assert "authorization" not in server.requests[0].lower()
    assert "callers" not in server.requests[0]


async def test_a_configured_key_is_sent() -> None:
    async with (
        serve(sending_parts(OK)) as server,
        provider(server.address, kind="openai_compatible", credentials=[MAIN]) as own,
    ):
        await own.probe(own.credentials[0])
    assert f"authorization: bearer {SECRET}" in server.requests[0].lower()
