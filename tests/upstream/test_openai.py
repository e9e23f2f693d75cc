"""OpenAI is asked with this gateway's credential and labels; of the caller's headers only what is listed goes along."""

from collections.abc import AsyncIterator

import pytest

from tests.upstream.servers import OK, Server, saying, serving
from tidegate.core.config import UpstreamConfig
from tidegate.core.errors import NoUpstreamKey
from tidegate.core.values import Route
from tidegate.upstream.openai import OpenAI
from tidegate.upstream.transport import Transport

SECRET = "sk-proj-nobody-may-see-this"


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    async with serving(saying(OK)) as server:
        yield server


def settings(server: Server, **changes: object) -> UpstreamConfig:
    return UpstreamConfig(base_url=f"{server.address}/v1/", api_key=SECRET, **changes)


def sent(server: Server) -> dict[str, str]:
    """The one request's headers, names in lower case, and its first line under the empty name."""
    first, *lines = server.requests[0].strip().split("\r\n")
    pairs = [line.partition(": ") for line in lines]
    return {"": first, **{name.lower(): value for name, _, value in pairs}}


@pytest.mark.parametrize("route", list(Route))
@pytest.mark.parametrize(("stream", "accept"), [(True, "text/event-stream"), (False, "application/json")])
async def test_a_call(server: Server, route: Route, stream: bool, accept: str) -> None:
    config = settings(server, organization="org-1", project="proj_1")
    async with Transport(config) as transport:
        exchange = await OpenAI(config, transport).ask(route, b"{}", {"x-client-request-id": "abc"}, stream=stream)
        assert exchange.status == 200
    headers = sent(server)
    assert headers[""] == f"POST {route.value} HTTP/1.1"
    assert headers["authorization"] == f"Bearer {SECRET}"
    assert (headers["openai-organization"], headers["openai-project"]) == ("org-1", "proj_1")
    assert (headers["content-type"], headers["accept"]) == ("application/json", accept)
    assert headers["accept-encoding"] == "identity"
    assert headers["user-agent"].startswith("tidegate/")
    assert headers["x-client-request-id"] == "abc"


async def test_what_is_not_configured_is_not_sent(server: Server) -> None:
    config = settings(server)
    async with Transport(config) as transport:
        await OpenAI(config, transport).get("/models")
    headers = sent(server)
    assert headers[""] == "GET /v1/models HTTP/1.1"
    assert not [name for name in headers if name.startswith("openai-")]


async def test_without_a_key_nothing_is_sent(server: Server) -> None:
    config = UpstreamConfig(base_url=server.address)
    async with Transport(config) as transport:
        with pytest.raises(NoUpstreamKey, match="OPENAI_API_KEY"):
            await OpenAI(config, transport).get("/models")
    assert server.connections == 0


async def test_the_callers_headers(server: Server) -> None:
    theirs = {
        "authorization": "Bearer theirs",
        "cookie": "a=b",
        "host": "theirs",
        "content-length": "5",
        "user-agent": "theirs",
        "openai-organization": "org-theirs",
        "openai-beta": "assistants=v2",
        "idempotency-key": "1",
        "x-client-request-id": "2",
        "x-forwarded-for": "10.0.0.1",
    }
    listed = {"openai-beta": "assistants=v2", "idempotency-key": "1", "x-client-request-id": "2"}
    plain = OpenAI(settings(server), Transport(settings(server)))
    assert plain.forwarded(theirs) == {**listed, "openai-organization": "org-theirs"}
    none = OpenAI(settings(server, forward_headers=()), Transport(settings(server)))
    assert none.forwarded(theirs) == {}


async def test_what_the_configuration_says_wins_over_the_caller(server: Server) -> None:
    config = settings(server, organization="org-1", forward_headers=("*",))
    theirs = {"openai-organization": "org-theirs", "authorization": "Bearer theirs", "user-agent": "theirs"}
    async with Transport(config) as transport:
        target = OpenAI(config, transport)
        await target.ask(Route.CHAT, b"{}", target.forwarded(theirs), stream=False)
    assert "theirs" not in server.requests[0]
    assert sent(server)["openai-organization"] == "org-1"


def test_its_key_is_not_in_its_repr(server: Server) -> None:
    config = settings(server)
    assert SECRET not in repr(OpenAI(config, Transport(config))) + repr(vars(OpenAI(config, Transport(config))))
