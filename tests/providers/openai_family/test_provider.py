"""A provider is asked with this gateway's credential and labels, under the name that its model has there."""

from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest

from tests.providers.servers import OK, Server, sending_parts, serve
from tests.providers.targets import MAIN, SECRET, begun, config_of, provider
from tidegate.core import endpoints
from tidegate.core.clock import ManualClock
from tidegate.core.endpoints import Endpoint
from tidegate.core.errors import InvalidUpstreamKey, NoUpstreamKey, UnsupportedByTarget, UpstreamServerError
from tidegate.providers.openai_family.openai import OpenAIProvider
from tidegate.providers.openai_family.provider import OpenAIFamilyProvider
from tidegate.providers.request_body import joined
from tidegate.providers.target import Target
from tidegate.providers.transport import Transport
from tidegate.simulator import Options, running
from tidegate.wire.call import Call, parse

TARGET = Target("openai", "gpt-4o")


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    async with serve(sending_parts(OK)) as server:
        yield server


def sent(server: Server) -> dict[str, str]:
    """The one request's headers, names in lower case, and its first line under the empty name."""
    first, *lines = server.requests[0].strip().split("\r\n")
    pairs = [line.partition(": ") for line in lines]
    return {"": first, **{name.lower(): value for name, _, value in pairs}}


def call(route: Endpoint = endpoints.CHAT, **fields: Any) -> Call:
    return parse(route, msgspec.json.encode({"model": "gpt-4o", **fields}))


async def ask(openai: OpenAIFamilyProvider, asked: Call | None = None, **headers: str) -> bool:
    """Ask as the pipeline does; return whether that was a success."""
    fitted = openai.build_request(asked or call(), TARGET)
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return (await begun(openai, fitted, openai.credentials[0], named)).is_success


@pytest.mark.parametrize("route", list(endpoints.ALL))
@pytest.mark.parametrize(("stream", "accept"), [(True, "text/event-stream"), (False, "application/json")])
async def test_a_call(server: Server, route: Endpoint, stream: bool, accept: str) -> None:
    credential = {**MAIN, "organization": "org-1", "project": "proj_1"}
    streams = stream and route.streams
    async with provider(f"{server.address}/v1/", credentials=[credential]) as openai:
        assert await ask(openai, call(route, stream=stream), x_client_request_id="abc")
    headers = sent(server)
    assert headers[""] == f"POST {route.path} HTTP/1.1"
    assert headers["authorization"] == f"Bearer {SECRET}"
    assert (headers["openai-organization"], headers["openai-project"]) == ("org-1", "proj_1")
    assert (headers["content-type"], headers["accept"]) == (
        "application/json",
        accept if streams else "application/json",
    )
    assert headers["accept-encoding"] == "identity"
    assert headers["user-agent"].startswith("tidegate/")
    assert headers["x-client-request-id"] == "abc"


async def test_what_is_not_configured_is_not_sent(server: Server) -> None:
    async with provider(f"{server.address}/v1") as openai:
        await openai.list_models(openai.credentials[0])
    headers = sent(server)
    assert headers[""] == "GET /v1/models HTTP/1.1"
    assert not [name for name in headers if name.startswith("openai-")]


async def test_without_a_key_nothing_is_sent(server: Server) -> None:
    async with provider(server.address, credentials=[]) as openai:
        assert [credential.name for credential in openai.credentials] == ["default"]
        with pytest.raises(NoUpstreamKey, match="OPENAI_API_KEY"):
            await ask(openai)
    assert server.connections == 0


async def test_a_server_of_ones_own_may_ask_for_none(server: Server) -> None:
    async with provider(server.address, kind="openai_compatible", credentials=[]) as own:
        assert own.endpoints == {endpoints.CHAT, endpoints.EMBEDDINGS}
        assert await ask(own, openai_organization="org-theirs", idempotency_key="1")
    headers = sent(server)
    assert headers[""] == "POST /chat/completions HTTP/1.1"
    assert "authorization" not in headers
    assert (headers["idempotency-key"], "openai-organization" in headers) == ("1", False)


async def test_what_the_configuration_says_wins_over_the_caller(server: Server) -> None:
    async with provider(server.address, credentials=[{**MAIN, "organization": "org-1"}]) as openai:
        await ask(openai, openai_organization="org-theirs", authorization="Bearer theirs", user_agent="theirs")
    assert "theirs" not in server.requests[0]
    assert sent(server)["openai-organization"] == "org-1"


async def test_each_credential_is_another_account() -> None:
    credentials = [MAIN, {"name": "spare", "api_key": "sk-spare", "rpm": 500, "tpm": 30_000}]
    async with provider("http://nowhere", credentials=credentials) as openai:
        first, second = openai.credentials
    assert (first.name, first.rpm, second.name, second.rpm, second.tpm) == ("main", None, "spare", 500, 30_000)


@pytest.mark.parametrize(("asked", "model"), [("gpt-4o", "gpt-4o"), ("smart", "gpt-4o")])
async def test_the_models_name_is_the_targets(asked: str, model: str) -> None:
    async with provider("http://nowhere") as openai:
        fitted = openai.build_request(call(model=asked, unknown={"a": 1}), TARGET)
    assert msgspec.json.decode(joined(fitted.body)) == {"model": model, "unknown": {"a": 1}}
    assert (fitted.adaptations, fitted.endpoint, fitted.stream) == ((), endpoints.CHAT, False)


async def test_configured_rules_hold() -> None:
    rules = [
        {"drop": ["metadata"], "defaults": {"max_tokens": 64}},
        {"models": ["o*"], "drop": ["seed"]},
        {"endpoints": ["chat"], "refuse": ["logprobs"]},
    ]
    async with provider("http://nowhere", rules=rules) as openai:
        fitted = openai.build_request(call(metadata={}, seed=1), TARGET)
        with pytest.raises(UnsupportedByTarget) as no:
            openai.build_request(call(logprobs=True), TARGET)
    assert msgspec.json.decode(joined(fitted.body)) == {"model": "gpt-4o", "seed": 1, "max_tokens": 64}
    assert fitted.adaptations == ("metadata: dropped", "max_tokens: set")
    assert no.value.param == "logprobs"


@pytest.mark.parametrize(
    ("fault", "error"), [("invalid_key", InvalidUpstreamKey), ("server_error", UpstreamServerError)]
)
async def test_a_probe_tells_whether_a_credential_is_good(fault: str, error: type[Exception]) -> None:
    by_key = {"this": {fault: 1.0}}
    credentials = [MAIN, {"name": "spare", "api_key": "sk-spare"}]
    async with (
        running(Options(faults_by_key=by_key)) as base_url,
        provider(base_url, credentials=credentials) as openai,
    ):
        with pytest.raises(error):
            await openai.probe(openai.credentials[0])
        await openai.probe(openai.credentials[1])


@pytest.mark.parametrize("secret", ["0123456789abcdef0123456789abcdef", "any"])
async def test_a_refusal_that_repeats_the_key_whatever_its_shape_is_given_without(secret: str) -> None:
    body = b'{"error": {"message": "Nobody, and not anyone, knows %s here."}}' % secret.encode()
    refusal = b"HTTP/1.1 401 No\r\ncontent-length: %d\r\n\r\n%s" % (len(body), body)
    credentials = [{"name": "main", "api_key": secret}]
    async with (
        serve(sending_parts(refusal)) as server,
        provider(server.address, kind="openai_compatible", credentials=credentials) as own,
    ):
        exchange = await begun(own, own.build_request(call(), TARGET), own.credentials[0], {})
        told = (await exchange.read_refusal()).error.message
    assert (secret in told) is (secret == "any"), "what is so short is a word, and no secret"
    assert "not anyone" in told


def test_its_key_is_not_in_its_repr() -> None:
    openai = OpenAIProvider("openai", config_of("http://nowhere"), Transport(max_connections=1), ManualClock())
    assert SECRET not in repr(openai) + repr(vars(openai))
    assert repr(openai) == "<OpenAIProvider openai at http://nowhere>"
