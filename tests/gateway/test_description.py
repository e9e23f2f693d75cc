"""What the gateway really takes and gives has the schemas that its description says."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from openapi_schema_validator import OAS31Validator

from tests.harness import CHAT, EMBEDDINGS, MODERATIONS, RESPONSES, STREAM, Answer, Gateway, World

Json = dict[str, Any]


class Description:
    """The gateway's description of itself."""

    def __init__(self, document: Json) -> None:
        self._document = document

    def check(self, method: str, path: str, answer: Answer) -> None:
        """Fail unless the answer is as described."""
        operation = self._document["paths"][path][method]
        status = next(one for one in (str(answer.status), f"{answer.status // 100}XX") if one in operation["responses"])
        content = operation["responses"][status]["content"]
        documents = [answer.json] if answer.headers["content-type"] == "application/json" else answer.events
        media = "text/event-stream" if answer.headers["content-type"].startswith("text/event") else "application/json"
        assert documents
        for document in documents:
            self._check(content[media]["schema"], document, f"{method} {path}")

    def check_body(self, path: str, body: Json) -> None:
        """Fail unless the body of a POST is as described."""
        operation = self._document["paths"][path]["post"]
        self._check(operation["requestBody"]["content"]["application/json"]["schema"], body, f"body of {path}")

    def _check(self, schema: Json, document: Any, what: str) -> None:
        validator = OAS31Validator({**schema, "components": self._document["components"]})
        errors = [f"{error.json_path}: {error.message}" for error in validator.iter_errors(document)]
        assert errors == [], what


@pytest.fixture
async def description(gateway: Gateway) -> AsyncIterator[Description]:
    async with gateway.http.get(f"{gateway.root}/openapi.json") as response:
        yield Description(await response.json())


async def post(gateway: Gateway, description: Description, path: str, body: Json, **headers: str) -> Answer:
    """Check a request's body and its answer."""
    description.check_body(path, body)
    answer = await gateway.call(path.removeprefix("/v1"), body, **headers)
    assert answer.status == 200, answer.text
    description.check("post", path, answer)
    return answer


async def test_model_calls(gateway: Gateway, description: Description) -> None:
    stored = {"store": True, "metadata": {"of": "ann"}, "user": "ann"}
    for body in (CHAT, STREAM, {**CHAT, **stored}, {**STREAM, "stream_options": {"include_usage": True}}):
        await post(gateway, description, "/v1/chat/completions", body)
    for fields in (
        {},
        {"stream": True},
        {"store": True, "metadata": {"of": "ann"}},
        {"background": True, "store": True},
    ):
        await post(gateway, description, "/v1/responses", {**RESPONSES, **fields})
    await post(gateway, description, "/v1/responses", {"prompt": {"id": "pmpt_1"}, "store": False})
    for embedded in ({}, {"encoding_format": "base64"}, {"input": ["a", "b"]}):
        await post(gateway, description, "/v1/embeddings", {**EMBEDDINGS, **embedded})
    await post(gateway, description, "/v1/moderations", MODERATIONS)
    await post(gateway, description, "/v1/responses/input_tokens", RESPONSES)
    await post(gateway, description, "/v1/responses/compact", RESPONSES)


async def test_errors(gateway: Gateway, description: Description) -> None:
    no_store = {"cache_control": "no-store"}
    for fault in ("rate_limited", "server_error", "context_length", "truncated"):
        for body in (CHAT, STREAM):
            answer = await gateway.chat(body, x_simulate_fault=fault, **no_store)
            description.check("post", "/v1/chat/completions", answer)
        streamed = {**RESPONSES, "stream": True}
        description.check(
            "post", "/v1/responses", await gateway.call("/responses", streamed, x_simulate_fault=fault, **no_store)
        )
    for headers in ({"authorization": "Bearer no"}, {"x_tidegate_deadline": "soon"}):
        description.check("post", "/v1/chat/completions", await gateway.chat(**headers))
    description.check("get", "/v1/responses", await gateway.call("/responses"))


async def test_stored_data(gateway: Gateway, description: Description) -> None:
    completion = (await post(gateway, description, "/v1/chat/completions", {**CHAT, "store": True})).json["id"]
    response = (await post(gateway, description, "/v1/responses", {**RESPONSES, "store": True})).json["id"]
    item: Json = {"type": "message", "role": "user", "content": "I am Ann."}
    conversation = (await post(gateway, description, "/v1/conversations", {"items": [item], "metadata": {}})).json["id"]
    added = await gateway.call(f"/conversations/{conversation}/items", {"items": [item]})
    description.check("post", "/v1/conversations/{conversation_id}/items", added)
    ids = {"completion_id": completion, "response_id": response, "conversation_id": conversation}
    ids["item_id"] = added.json["data"][0]["id"]
    ids["name"] = "gpt-4o-mini"
    for method, path, body in (
        ("get", "/v1/models", None),
        ("get", "/v1/models/{name}", None),
        ("get", "/v1/chat/completions", None),
        ("get", "/v1/chat/completions/{completion_id}", None),
        ("post", "/v1/chat/completions/{completion_id}", {"metadata": {"of": "bob"}}),
        ("get", "/v1/chat/completions/{completion_id}/messages", None),
        ("get", "/v1/responses/{response_id}", None),
        ("get", "/v1/responses/{response_id}/input_items", None),
        ("get", "/v1/conversations/{conversation_id}", None),
        ("post", "/v1/conversations/{conversation_id}", {"metadata": {"of": "bob"}}),
        ("get", "/v1/conversations/{conversation_id}/items", None),
        ("get", "/v1/conversations/{conversation_id}/items/{item_id}", None),
        ("delete", "/v1/conversations/{conversation_id}/items/{item_id}", None),
        ("delete", "/v1/conversations/{conversation_id}", None),
        ("delete", "/v1/responses/{response_id}", None),
        ("delete", "/v1/chat/completions/{completion_id}", None),
    ):
        answer = await gateway.call(path.removeprefix("/v1").format(**ids), body, method=method.upper())
        assert answer.status == 200, (path, answer.text)
        description.check(method, path, answer)


async def test_health(gateway: Gateway, description: Description) -> None:
    for path in ("/livez", "/readyz", "/healthz", "/health", "/health/upstream"):
        async with gateway.http.get(gateway.root + path) as response:
            description.check("get", path, Answer(response.status, response.headers, await response.text()))


async def test_the_admin_api(world: World, gateway: Gateway, description: Description) -> None:
    admin = (await world.keys.create(project="operators", admin=True)).token
    await gateway.chat()
    async with gateway.http.post(
        f"{gateway.root}/admin/v1/keys", json={"project": "shop"}, headers={"api-key": admin}
    ) as response:
        created = Answer(response.status, response.headers, await response.text())
    description.check("post", "/admin/v1/keys", created)
    for path in (
        "keys",
        "projects",
        "budgets",
        "queue",
        "jobs",
        "usage",
        "upstream",
        "failures",
        "messages?words=tide",
    ):
        async with gateway.http.get(f"{gateway.root}/admin/v1/{path}", headers={"api-key": admin}) as response:
            answer = Answer(response.status, response.headers, await response.text())
        assert answer.status == 200, answer.text
        description.check("get", f"/admin/v1/{path.partition('?')[0]}", answer)
