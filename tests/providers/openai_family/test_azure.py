"""Azure is asked at a deployment's address with its own header; what it answers means what OpenAI's answers mean."""

from typing import Any

import msgspec
import pytest

from tests.providers.servers import OK, sending_parts, serve
from tests.providers.targets import SECRET, begun, provider
from tidegate.core import endpoints, errors
from tidegate.core.endpoints import Endpoint
from tidegate.core.errors import UpstreamError
from tidegate.providers.request_body import joined
from tidegate.providers.target import Target
from tidegate.simulator import Options, running
from tidegate.wire.call import Call, parse

TARGET = Target("azure", "gpt-4o")
CHAT: dict[str, Any] = {"model": "gpt-4o", "messages": [{"role": "user", "content": "When is high tide?"}]}
RESPONSES: dict[str, Any] = {"model": "gpt-4o", "input": "When is high tide?"}
EMBEDDINGS: dict[str, Any] = {"model": "gpt-4o", "input": "tide"}
BODIES = {endpoints.CHAT: CHAT, endpoints.RESPONSES: RESPONSES, endpoints.EMBEDDINGS: EMBEDDINGS}
VERSION = {"kind": "azure", "api_version": "2024-10-21"}


def call(route: Endpoint = endpoints.CHAT, **fields: Any) -> Call:
    return parse(route, msgspec.json.encode({**BODIES[route], **fields}))


@pytest.mark.parametrize(
    ("route", "settings", "line"),
    [
        (endpoints.CHAT, VERSION, "/openai/deployments/gpt-4o/chat/completions?api-version=2024-10-21"),
        (endpoints.EMBEDDINGS, VERSION, "/openai/deployments/gpt-4o/embeddings?api-version=2024-10-21"),
        (endpoints.RESPONSES, VERSION, "/openai/responses?api-version=2024-10-21"),
        (endpoints.CHAT, {**VERSION, "deployments": {"gpt-4o": "my four/o"}},
         "/openai/deployments/my%20four%2Fo/chat/completions?api-version=2024-10-21"),
        (endpoints.CHAT, {"kind": "azure", "api_surface": "v1"}, "/openai/v1/chat/completions"),
        (endpoints.RESPONSES, {**VERSION, "api_surface": "v1", "api_version": "preview"},
         "/openai/v1/responses?api-version=preview"),
    ],
)  # fmt: skip
async def test_its_addresses(route: Endpoint, settings: dict[str, Any], line: str) -> None:
    async with serve(sending_parts(OK)) as server, provider(server.address, name="azure", **settings) as azure:
        await begun(
            azure, azure.build_request(call(route), TARGET), azure.credentials[0], {"openai-organization": "org-theirs"}
        )
    head = server.requests[0].lower()
    assert head.startswith(f"post {line} http/1.1".lower())
    assert f"api-key: {SECRET}" in head
    assert "authorization:" not in head
    assert "org-theirs" not in head


async def test_the_body_names_the_deployment() -> None:
    settings = {**VERSION, "deployments": {"gpt-4o": "four-o"}}
    async with provider("http://nowhere", name="azure", **settings) as azure:
        fitted = azure.build_request(call(), TARGET)
    assert msgspec.json.decode(joined(fitted.body))["model"] == "four-o"
    assert (fitted.target.name, fitted.adaptations) == ("azure/gpt-4o", ())


@pytest.mark.parametrize("surface", ["deployments", "v1"])
@pytest.mark.parametrize("route", list(BODIES))
async def test_it_answers(route: Endpoint, surface: str) -> None:
    settings = {**VERSION, "api_surface": surface, "deployments": {"gpt-4o": "four-o"}}
    async with (
        running(Options(deployments={"four-o": "gpt-4o"})) as base_url,
        provider(base_url.removesuffix("/v1"), name="azure", **settings) as azure,
    ):
        exchange = await begun(azure, azure.build_request(call(route), TARGET), azure.credentials[0], {})
        body = msgspec.json.decode(await exchange.read_body())
        await azure.probe(azure.credentials[0])
    assert (exchange.is_success, body["model"]) == (True, "gpt-4o")
    said = exchange.reported_limits()
    assert (said.requests.limit, said.tokens.limit, said.exhausted) == (None, None, "")


@pytest.mark.parametrize(
    ("fault", "kind", "wait"),
    [
        ("invalid_key", errors.InvalidUpstreamKey, None),
        ("forbidden", errors.UpstreamForbidden, None),
        ("model_not_found", errors.ModelNotFound, None),
        ("content_policy", errors.ContentPolicyViolation, None),
        ("context_length", errors.ContextLengthExceeded, None),
        ("rate_limited", errors.UpstreamRateLimited, 1.0),
        ("rate_limited_day", errors.UpstreamRateLimited, 432.0),
        ("rate_limited_bare", errors.UpstreamRateLimited, 9.0),
        ("request_too_large", errors.RequestExceedsUpstreamLimit, None),
        ("out_of_quota", errors.InsufficientQuota, None),
        ("overloaded", errors.UpstreamOverloaded, 1.0),
        ("server_error", errors.UpstreamServerError, None),
    ],
)
async def test_its_errors_have_the_same_names(fault: str, kind: type[UpstreamError], wait: float | None) -> None:
    async with (
        running() as base_url,
        provider(base_url.removesuffix("/v1"), name="azure", **VERSION) as azure,
    ):
        exchange = await begun(
            azure, azure.build_request(call(), TARGET), azure.credentials[0], {"x-simulate-fault": fault}
        )
        error = (await exchange.read_refusal()).error
    assert type(error) is kind
    assert error.retry_after == wait
    assert error.upstream_detail is not None
    assert error.upstream_detail.message
