"""The OpenAPI description of all routes: FastAPI's own, with the routes and the bodies that FastAPI does not know.

Called by web/api.py. asgi.py serves the inference routes without FastAPI, and the handlers of other routes read bytes.
"""

from collections.abc import Iterator
from importlib.resources import files
from typing import Any

import msgspec
from fastapi import FastAPI

from tidegate.core import endpoints
from tidegate.core.endpoints import Endpoint
from tidegate.web.docs.operations import BODIES, PAGES, QUERY, Bodies, Json

_METHODS = ("get", "post", "patch", "delete")
_ADMIN_KEY = "AdminKey"
_SECURITY_SCHEMES: Json = {
    "ApiKey": {"type": "http", "scheme": "bearer", "description": "A key made by `tidegate keys create`."},
    "AzureApiKey": {
        "type": "apiKey",
        "in": "header",
        "name": "api-key",
        "description": "The same, for Azure's clients.",
    },
    _ADMIN_KEY: {"type": "http", "scheme": "bearer", "description": "A key made by `tidegate keys create --admin`."},
}
_ANY_KEY: list[Json] = [{"ApiKey": []}, {"AzureApiKey": []}]
_SERVERS = [{"url": "/"}, {"url": "/openai", "description": "The same routes, for Azure's clients."}]
_DEPLOYMENT: Json = {
    "name": "deployment",
    "in": "path",
    "required": True,
    "schema": {"type": "string"},
    "description": "The model; it takes the place of the body's own.",
}


class DescribedApi(FastAPI):
    """FastAPI with the whole description."""

    def openapi(self) -> dict[str, Any]:
        """Return the OpenAPI description."""
        if self.openapi_schema is None:
            _complete(super().openapi())
        return self.openapi_schema or {}


def _complete(description: Json) -> None:
    """Add what FastAPI does not know to its description."""
    components = description.setdefault("components", {})
    components.setdefault("schemas", {}).update(_schemas())
    components["securitySchemes"] = _SECURITY_SCHEMES
    paths = description["paths"]
    for endpoint in endpoints.ALL:
        paths.setdefault(endpoint.path, {})["post"] = _inference_operation(endpoint)
    paths[endpoints.RESPONSES.path]["get"] = _websocket_operation()
    for method, path, operation in _operations(paths):
        if (bodies := BODIES.get((method, path))) is not None:
            _add_bodies(operation, bodies)
        if path.startswith("/v1/"):
            operation["security"] = [{_ADMIN_KEY: []}] if method == "delete" and "/models/" in path else _ANY_KEY
            operation["servers"] = _SERVERS
    for endpoint in endpoints.ALL:
        if endpoint.deployment_in_path:
            paths[f"/openai/deployments/{{deployment}}{endpoint.path.removeprefix('/v1')}"] = _at_deployment(
                paths[endpoint.path]["post"]
            )


def _operations(paths: Json) -> Iterator[tuple[str, str, Json]]:
    for path, item in paths.items():
        yield from ((method, path, item[method]) for method in _METHODS if method in item)


def _schemas() -> Json:
    """Return the schemas of OpenAI's bodies; those of lists are made of one."""
    schemas: Json = msgspec.json.decode(files(__package__).joinpath("schemas.json").read_bytes())
    page = schemas.pop("Page")
    for name, entry in PAGES.items():
        data = {"type": "array", "items": _reference(entry)}
        schemas[name] = {
            **page,
            "required": [*page["required"], "data"],
            "properties": {**page["properties"], "data": data},
        }
    return schemas


def _add_bodies(operation: Json, bodies: Bodies) -> None:
    if bodies.request is not None:
        content = {"application/json": {"schema": _reference(bodies.request)}}
        operation["requestBody"] = {"required": bodies.needs_body, "content": content}
    answer: Json = {"application/json": {"schema": _reference(bodies.answer)}}
    if bodies.event is not None:
        answer["text/event-stream"] = {"schema": _reference(bodies.event)}
    for status in bodies.statuses:
        operation["responses"].setdefault(status, {"description": "Not ready"})["content"] = answer
    query = [{"name": name, "in": "query", **QUERY[name]} for name in bodies.query]
    if query:
        operation["parameters"] = [*operation.get("parameters", ()), *query]


def _reference(schema: str) -> Json:
    return {"$ref": f"#/components/schemas/{schema}"}


def _responses(status: str, description: str) -> Json:
    error = {"application/json": {"schema": _reference("ErrorSchema")}}
    return {
        status: {"description": description},
        "4XX": {"description": "The request was rejected", "content": error},
        "5XX": {"description": "A store or the upstream did not answer, or the gateway failed", "content": error},
    }


def _inference_operation(endpoint: Endpoint) -> Json:
    stream = " Send `stream: true` for server-sent events." if endpoint.streams else ""
    return {
        "tags": ["inference"],
        "summary": endpoint.summary,
        "description": f"Takes and returns the same bodies as OpenAI's API.{stream}",
        "operationId": f"create_{endpoint.label}",
        "responses": _responses("200", "OpenAI's answer"),
    }


def _websocket_operation() -> Json:
    return {
        "tags": ["inference"],
        "summary": "Open a WebSocket for responses",
        "description": "Send `Upgrade: websocket`. Each message is a `response.create`; its events come back.",
        "operationId": "open_responses",
        "responses": _responses("101", "The WebSocket is open"),
    }


def _at_deployment(operation: Json) -> Json:
    """Return an operation at Azure's address, which names the model."""
    at_v1 = {name: value for name, value in operation.items() if name != "servers"}
    named = {**at_v1, "operationId": f"{operation['operationId']}_at_deployment", "parameters": [_DEPLOYMENT]}
    return {"post": {**named, "summary": f"{operation['summary']}, as at Azure"}}
