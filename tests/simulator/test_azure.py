"""The official Azure client gets the same as from Azure: deployments, filters, and Azure's errors."""

from typing import Any

import openai
import pytest
from openai import AsyncAzureOpenAI, AsyncOpenAI

from tests.simulator.client import CHAT, RESPONSES, SimulatorClient, upstream
from tidegate.simulator import azure
from tidegate.simulator.faults import Fault, refusal_for
from tidegate.simulator.refusal import HtmlPageRefusal, invalid

Json = dict[str, Any]


def client(up: SimulatorClient, **options: Any) -> AsyncAzureOpenAI:
    """Return the official client for Azure."""
    value = {"azure_endpoint": up.root, "api_key": "azure-key", "api_version": "2024-10-21", "max_retries": 0}
    return AsyncAzureOpenAI(**{**value, **options})


async def test_a_deployment_answers_for_its_model() -> None:
    async with upstream(deployments={"four-o": "gpt-4o"}) as up, client(up) as azure_client, up.sdk() as plain:
        asked: Json = {**CHAT, "model": "four-o"}
        whole = await azure_client.chat.completions.create(**asked)
        same = await plain.chat.completions.create(**CHAT)
        stream: Any = await azure_client.chat.completions.create(**asked, stream=True)
        chunks = [chunk async for chunk in stream]
        assert (await up.stats())["keys"]["-key"]["calls"] == {"chat": 2}
    assert (whole.model, whole.choices[0].message.content) == ("gpt-4o", same.choices[0].message.content)
    assert (chunks[0].choices, chunks[0].id) == ([], "")
    said = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert said == whole.choices[0].message.content
    result = whole.model_dump()
    assert result["prompt_filter_results"][0]["content_filter_results"]["hate"]["severity"] == "safe"
    assert result["choices"][0]["content_filter_results"]["violence"]["severity"] == "safe"


async def test_the_other_endpoints() -> None:
    async with upstream() as up, client(up) as asking:
        embedding = await asking.embeddings.create(model="text-embedding-3-small", input="tide")
        response = await asking.responses.create(**RESPONSES)
        names = [model.id async for model in asking.models.list()]
    assert len(embedding.data[0].embedding) == 1536
    assert (response.model, response.status) == ("gpt-4o", "completed")
    assert "gpt-4o" in names


async def test_the_newer_address_is_asked_by_the_plain_client() -> None:
    async with (
        upstream(deployments={"four-o": "gpt-4o"}) as up,
        AsyncOpenAI(base_url=f"{up.root}/openai/v1/", api_key="entra-token", max_retries=0) as plain,
    ):
        whole = await plain.chat.completions.create(**{**CHAT, "model": "four-o"})
        assert whole.model == "gpt-4o"
        with pytest.raises(openai.NotFoundError) as no:
            await plain.moderations.create(input="x")
    assert no.value.body == {"code": "404", "message": "Resource not found"}


async def test_a_deployment_that_does_not_exist() -> None:
    async with upstream(deployments={"four-o": "gpt-4o"}) as up, client(up) as asking:
        with pytest.raises(openai.NotFoundError) as no:
            await asking.chat.completions.create(**CHAT)
    assert no.value.code == "DeploymentNotFound"


async def test_a_wrong_key() -> None:
    async with upstream(api_key="another-key") as up, client(up) as asking:
        with pytest.raises(openai.AuthenticationError, match="invalid subscription key") as no:
            await asking.chat.completions.create(**CHAT)
    assert no.value.code == "401"


@pytest.mark.parametrize(
    ("fault", "status", "code", "said"),
    [
        ("invalid_key", 401, "401", "Access denied due to invalid subscription key"),
        ("organization_mismatch", 401, "401", "Access denied"),
        ("forbidden", 403, "403", "Firewall"),
        ("model_not_found", 404, "DeploymentNotFound", "does not exist"),
        ("content_policy", 400, "content_filter", "content management policy"),
        ("context_length", 400, "context_length_exceeded", "maximum context length"),
        ("rate_limited", 429, "429", "Please retry after 1 seconds"),
        ("rate_limited_day", 429, "429", "Please retry after 432 seconds"),
        ("rate_limited_bare", 429, "429", "Please retry after 9 seconds"),
        ("request_too_large", 429, "rate_limit_exceeded", "Request too large"),
        ("out_of_quota", 403, "403", "Out of call volume quota"),
        ("overloaded", 503, "ServiceUnavailable", "temporarily"),
        ("server_error", 500, "InternalServerError", "Microsoft"),
        ("error_in_stream", 500, "InternalServerError", "Microsoft"),
    ],
)
async def test_a_fault_in_azures_words(fault: str, status: int, code: str, said: str) -> None:
    async with upstream() as up, client(up) as asking:
        with pytest.raises(openai.APIStatusError, match=said) as no:
            await asking.chat.completions.create(**CHAT, extra_headers={"x-simulate-fault": fault})
    assert (no.value.status_code, no.value.code) == (status, code)
    assert no.value.response.headers["apim-request-id"]
    if fault == "content_policy":
        assert isinstance(no.value.body, dict)
        assert no.value.body["innererror"]["code"] == "ResponsibleAIPolicyViolation"
    if fault == "rate_limited":
        assert no.value.response.headers["retry-after"] == "1"


async def test_its_headers_know_remainders_only() -> None:
    async with upstream() as up, client(up) as asking:
        raw = await asking.chat.completions.with_raw_response.create(**CHAT)
    assert int(raw.headers["x-ratelimit-remaining-requests"]) > 0
    assert (raw.headers["x-ratelimit-limit-requests"], raw.headers["x-ratelimit-reset-tokens"]) == ("-1", "0")
    assert "openai-version" not in raw.headers


def test_what_needs_no_other_words_keeps_its_own() -> None:
    bad = invalid("Unsupported parameter: 'max_tokens'.", param="max_tokens", code="unsupported_parameter")
    page = refusal_for(Fault.HTML_FROM_PROXY, model="", path="")
    assert isinstance(page, HtmlPageRefusal)
    assert azure.to_azure(bad) is bad
    assert azure.to_azure(page) is page
