"""JSON schemas of functions and of structured answers."""

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from tidegate.simulator.refusal import Refusal, invalid

_NOT_PERMITTED = ("allOf", "oneOf", "not", "if", "dependentRequired", "patternProperties")
"""Words of JSON Schema that a strict schema cannot have."""

Path = tuple[str, ...]


class NamedSchema(msgspec.Struct, frozen=True, kw_only=True):
    """A schema in a request."""

    title: str
    """As OpenAI calls it: `function 'f'`."""
    schema: Mapping[str, Any]
    strict: bool
    param: str
    code: str | None


def check_schemas(route: str, body: Mapping[str, Any]) -> None:
    """Raise Refusal for the first schema that OpenAI cannot follow."""
    for named in _schemas(route, body):
        _check(named)


def _schemas(route: str, body: Mapping[str, Any]) -> Iterator[NamedSchema]:
    for number, tool in enumerate(body.get("tools") or ()):
        function = _mapping(tool.get("function") if route == "chat" else tool)
        if tool.get("type") == "function" and isinstance(function.get("parameters"), dict):
            inner = ".function" if route == "chat" else ""
            yield NamedSchema(
                title=f"function '{function['name']}'",
                schema=function["parameters"],
                strict=function.get("strict") is True,
                param=f"tools[{number}]{inner}.parameters",
                code="invalid_function_parameters",
            )
    param = "response_format" if route == "chat" else "text.format.schema"
    form = _mapping(body.get("response_format") if route == "chat" else (body.get("text") or {}).get("format"))
    named = _mapping(form.get("json_schema") if route == "chat" else form)
    if form.get("type") == "json_schema" and isinstance(named.get("schema"), dict):
        title = f"response_format '{named['name']}'"
        strict = named.get("strict") is True
        yield NamedSchema(title=title, schema=named["schema"], strict=strict, param=param, code="invalid_json_schema")


def _check(named: NamedSchema) -> None:
    kind = named.schema.get("type")
    if kind != "object" and not (kind is None and not named.strict and "$ref" in named.schema):
        found = "None" if kind is None else kind
        raise _refused(named, f"schema must be a JSON Schema of 'type: \"object\"', got 'type: \"{found}\"'.")
    for path, schema in _within(named.schema, ()):
        reason = _fault(schema) or (_fault_of_strict(schema) if named.strict else "")
        if reason:
            raise _refused(named, f"In context={path}, {reason}")


def _refused(named: NamedSchema, reason: str) -> Refusal:
    return invalid(f"Invalid schema for {named.title}: {reason}", param=named.param, code=named.code)


def _within(schema: Mapping[str, Any], path: Path) -> Iterator[tuple[Path, Mapping[str, Any]]]:
    """Yield a schema and all schemas in it, with their paths."""
    yield path, schema
    for word in ("properties", "$defs", "definitions"):
        for name, inner in _mapping(schema.get(word)).items():
            if isinstance(inner, Mapping):
                yield from _within(inner, (*path, word, name))
    for number, inner in enumerate(schema.get("anyOf") or ()):
        if isinstance(inner, Mapping):
            yield from _within(inner, (*path, "anyOf", str(number)))
    if isinstance(schema.get("items"), Mapping):
        yield from _within(schema["items"], (*path, "items"))


def _fault(schema: Mapping[str, Any]) -> str:
    if schema.get("type") == "array" and "items" not in schema and "prefixItems" not in schema:
        return "array schema missing items."
    return ""


def _fault_of_strict(schema: Mapping[str, Any]) -> str:
    for word in _NOT_PERMITTED:
        if word in schema:
            return f"'{word}' is not permitted."
    if schema.get("type") != "object":
        return ""
    if schema.get("additionalProperties") is not False:
        return "'additionalProperties' is required to be supplied and to be false."
    required = schema.get("required") or ()
    for name in _mapping(schema.get("properties")):
        if name not in required:
            reason = "'required' is required to be supplied and to be an array including every key in properties."
            return f"{reason} Missing '{name}'."
    return ""


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
