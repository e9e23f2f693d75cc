"""The description is valid OpenAPI, has every route of the gateway, every body, and the keys that routes need."""

from collections.abc import Iterator
from typing import Any

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator, validate

from tests.gateway.conftest import gateway, world
from tests.harness import Gateway
from tidegate.core import endpoints
from tidegate.web.docs.operations import BODIES

__all__ = ["gateway", "world"]

Json = dict[str, Any]


@pytest.fixture
async def description(gateway: Gateway) -> Json:
    async with gateway.http.get(f"{gateway.root}/openapi.json") as response:
        found: Json = await response.json()
        return found


def operations(description: Json) -> Iterator[tuple[str, str, Json]]:
    """Yield method, path and operation."""
    for path, item in description["paths"].items():
        yield from ((method, path, item[method]) for method in ("get", "post", "patch", "delete") if method in item)


async def test_the_description_is_complete(description: Json) -> None:
    validate(description, cls=OpenAPIV31SpecValidator)
    every_route_is_described(description)
    every_body_has_a_schema(description)
    every_route_names_its_keys(description)
    assert len({operation["operationId"] for _, _, operation in operations(description)}) == len(
        list(operations(description))
    )


def every_route_is_described(description: Json) -> None:
    described = {(method, path) for method, path, _ in operations(description)}
    assert {("post", endpoint.path) for endpoint in endpoints.ALL} <= described
    assert ("get", "/v1/responses") in described, "the WebSocket"
    assert set(BODIES) <= described, "no row of the table is without its route"
    stateless = {one for one in described if one[1].startswith(("/v1/", "/livez", "/ready", "/health"))}
    assert stateless - set(BODIES) == {("get", "/v1/responses")}


def every_body_has_a_schema(description: Json) -> None:
    for method, path, operation in operations(description):
        for status, response in operation["responses"].items():
            if status == "101":
                continue
            for media in response["content"].values():
                assert media["schema"], (method, path, status)
        assert "ErrorSchema" in str(operation["responses"]["4XX"])
        if "requestBody" in operation:
            assert operation["requestBody"]["content"]["application/json"]["schema"]


def every_route_names_its_keys(description: Json) -> None:
    schemes = description["components"]["securitySchemes"]
    assert set(schemes) == {"ApiKey", "AzureApiKey", "AdminKey"}
    for method, path, operation in operations(description):
        keys = {name for way in operation.get("security", ()) for name in way}
        if path.startswith("/admin/") or path == "/metrics" or (method, path) == ("delete", "/v1/models/{name}"):
            assert keys == {"AdminKey"}, path
        elif path.startswith(("/v1/", "/openai/")):
            assert keys == {"ApiKey", "AzureApiKey"}, path
        else:
            assert keys == set(), path
