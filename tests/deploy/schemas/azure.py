"""Makes JSON Schemas of Azure's resources from the models in the source of Microsoft's Python clients.

`make schemas` runs it where those packages are unpacked. Their models are older (`_attribute_map`, with a path for each
field) or newer (`rest_field`). Both are read as text, so that nothing of the packages is imported. A value that is not
one of an enumeration's known values is an error here; Azure's own clients let it pass.
"""

import ast
import json
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

Json = dict[str, Any]

_PRIMITIVES: Mapping[str, Json] = {
    "str": {"type": "string"},
    "int": {"type": "integer"},
    "float": {"type": "number"},
    "bool": {"type": "boolean"},
    "object": {},
    "Any": {},
    "iso-8601": {"type": "string"},
    "duration": {"type": "string"},
}
_ENUM = re.compile(r":vartype (\w+): str or\s+~[\w.]+\.(\w+)")
_NOTICE = "Made by tests/deploy/schemas/azure.py from the models of {}, by Microsoft (MIT, see LICENSE.azure)."


class Models:
    """The classes of a package's models and enumerations."""

    def __init__(self, models: str, enums: str) -> None:
        """Both are source text."""
        self._classes = {node.name: node for node in ast.parse(models).body if isinstance(node, ast.ClassDef)}
        self._enums = dict(_enumerations(enums))
        self._definitions: Json = {}

    def schema(self, *, package: str, roots: Mapping[str, str]) -> Json:
        """Return a schema with definitions of `roots`, by the resource type of each, and of what they refer to."""
        for name, kind in roots.items():
            self._define(name)
            properties = {"type": {"const": kind}, "name": {"type": "string"}, "apiVersion": {"type": "string"}}
            self._definitions[name]["properties"] |= properties
            _require(self._definitions[name], "name", "type", "location", "properties")
        return {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "$comment": _NOTICE.format(package),
            "$defs": dict(sorted(self._definitions.items())),
        }

    def _define(self, name: str) -> None:
        if name in self._definitions:
            return
        made: Json = {"type": "object", "properties": {}, "additionalProperties": False}
        self._definitions[name] = made
        for path, kind, required in self._fields(name):
            owner = made
            for step in path[:-1]:
                if required:
                    _require(owner, step)
                inner: Json = {"type": "object", "properties": {}, "additionalProperties": False}
                owner = owner["properties"].setdefault(step, inner)
            owner["properties"][path[-1]] = kind
            if required:
                _require(owner, path[-1])

    def _fields(self, name: str) -> Iterator[tuple[list[str], Json, bool]]:
        """Yield the path, the schema and the need of each field that may be written, those of its bases included."""
        node = self._classes.get(name)
        if node is None:
            return
        for base in node.bases:
            yield from self._fields(base.id if isinstance(base, ast.Name) else "")
        values = dict(_assignments(node))
        if "_attribute_map" in values:
            yield from self._older(node, values)
        for item in node.body:
            if isinstance(item, ast.AnnAssign) and isinstance(item.target, ast.Name) and _is_field(item.value):
                yield from self._newer(item.target.id, item)

    def _older(self, node: ast.ClassDef, values: Mapping[str, Any]) -> Iterator[tuple[list[str], Json, bool]]:
        enums = dict(_ENUM.findall(ast.get_docstring(node) or ""))
        validation = values.get("_validation", {})
        for field, told in values["_attribute_map"].items():
            rule = validation.get(field, {})
            if not rule.get("readonly"):
                kind = {"enum": self._enums[enums[field]]} if field in enums else self._named(told["type"])
                yield told["key"].split("."), kind, bool(rule.get("required"))

    def _named(self, kind: str) -> Json:
        """Return the schema of a type as `_attribute_map` writes it: `str`, `[Model]`, `{str}`."""
        if kind.startswith("["):
            return {"type": "array", "items": self._named(kind[1:-1])}
        if kind.startswith("{"):
            return {"type": "object", "additionalProperties": self._named(kind[1:-1])}
        if kind in _PRIMITIVES:
            return dict(_PRIMITIVES[kind])
        self._define(kind)
        return {"$ref": f"#/$defs/{kind}"}

    def _newer(self, field: str, item: ast.AnnAssign) -> Iterator[tuple[list[str], Json, bool]]:
        assert isinstance(item.value, ast.Call)
        options = {word.arg: word.value for word in item.value.keywords}
        visibility = ast.literal_eval(options["visibility"]) if "visibility" in options else []
        if visibility == ["read"]:
            return
        name = ast.literal_eval(options["name"]) if "name" in options else field
        is_optional = isinstance(item.annotation, ast.Subscript) and _name(item.annotation.value) == "Optional"
        yield [name], self._annotated(item.annotation), not is_optional

    def _annotated(self, node: ast.expr) -> Json:
        """Return the schema of an annotation, such as `Optional[list["_models.Part"]]`."""
        if isinstance(node, ast.Constant):
            name = str(node.value).removeprefix("_models.")
            return {"enum": self._enums[name]} if name in self._enums else self._named(name)
        if not isinstance(node, ast.Subscript):
            return dict(_PRIMITIVES.get(_name(node), {}))
        outer, inner = _name(node.value), node.slice
        if outer == "Optional":
            return self._annotated(inner)
        if outer == "list":
            return {"type": "array", "items": self._annotated(inner)}
        parts = inner.elts if isinstance(inner, ast.Tuple) else [inner]
        if outer == "dict":
            return {"type": "object", "additionalProperties": self._annotated(parts[-1])}
        return self._annotated(parts[-1])  # Union[str, an enumeration]


def _require(schema: Json, *names: str) -> None:
    schema["required"] = list(dict.fromkeys([*schema.get("required", []), *names]))


def _name(node: ast.expr) -> str:
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


def _is_field(node: ast.expr | None) -> bool:
    return isinstance(node, ast.Call) and _name(node.func) == "rest_field"


def _assignments(node: ast.ClassDef) -> Iterator[tuple[str, Any]]:
    for item in node.body:
        if (
            isinstance(item, ast.Assign)
            and isinstance(item.targets[0], ast.Name)
            and item.targets[0].id.startswith("_")
        ):
            yield item.targets[0].id, ast.literal_eval(item.value)


def _enumerations(source: str) -> Iterator[tuple[str, list[str]]]:
    for node in ast.parse(source).body:
        if isinstance(node, ast.ClassDef):
            values = [item.value for item in node.body if isinstance(item, ast.Assign)]
            yield node.name, [str(value.value) for value in values if isinstance(value, ast.Constant)]


def main(folder: Path, *packages: str) -> None:
    """Write the schemas beside this module; `folder` has the unpacked packages, each named as `NAME==VERSION`."""
    instances, apps, monitor = packages
    written = {
        "container_instances": (
            "containerinstance",
            ("_models_py3.py", "_container_instance_management_client_enums.py"),
            instances,
            {"ContainerGroup": "Microsoft.ContainerInstance/containerGroups"},
        ),
        "container_apps": (
            "appcontainers",
            ("_models.py", "_enums.py"),
            apps,
            {"ContainerApp": "Microsoft.App/containerApps", "Job": "Microsoft.App/jobs"},
        ),
        "scheduled_query_rules": (
            "monitor",
            ("_models_py3.py", "_monitor_management_client_enums.py"),
            monitor,
            {"ScheduledQueryRuleResource": "Microsoft.Insights/scheduledQueryRules"},
        ),
    }
    for name, (part, files, package, roots) in written.items():
        texts = [(folder / "azure" / "mgmt" / part / "models" / file).read_text() for file in files]
        schema = Models(*texts).schema(package=package, roots=roots)
        Path(__file__).with_name(f"{name}.json").write_text(json.dumps(schema, indent=1) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
