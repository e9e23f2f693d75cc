"""Makes the JSON Schema of Cloud Run's services and jobs from Google's discovery document of the Admin API v1.

`make schemas` runs it on the document that google-api-python-client carries. The schema is stricter than Google's: a
property that Cloud Run does not support is unknown, and an annotation must be one that its resource has.
"""

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

Json = dict[str, Any]

KINDS = ("Service", "Job")
_UNSUPPORTED = re.compile(r"^Not supported (by|in) Cloud Run", re.IGNORECASE)
_ANNOTATION = re.compile(r"`((?:run\.googleapis\.com|autoscaling\.knative\.dev)/[\w-]+)`: ([\w, ]+)")
_RESOURCES = {"Service": "Service", "RevisionTemplate": "Revision", "Job": "Job", "ExecutionTemplateSpec": "Execution"}
"""What the document calls the resource whose metadata each schema has."""
_KEPT = ("type", "enum", "format", "minimum", "maximum", "pattern")
_SOURCE = (
    "Made by tests/deploy/schemas/cloud_run.py from the discovery document run.v1, revision {}, "
    "by Google LLC (Apache-2.0)."
)


def cloud_run_schema(document: Json) -> Json:
    """Return a JSON Schema of one service or job."""
    schemas = document["schemas"]
    annotations = schemas["ObjectMeta"]["properties"]["annotations"]["description"]
    definitions: Json = {}
    for name in KINDS:
        _define(name, schemas, definitions)
    for owner, resource in _RESOURCES.items():
        names = sorted(_annotations_of(resource, annotations))
        definitions[f"{owner}Meta"] = _metadata(definitions["ObjectMeta"], names)
        definitions[owner]["properties"]["metadata"] = {"$ref": f"#/$defs/{owner}Meta"}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$comment": _SOURCE.format(document["revision"]),
        "oneOf": [_kind(name, definitions) for name in KINDS],
        "$defs": dict(sorted(definitions.items())),
    }


def _define(name: str, schemas: Json, definitions: Json) -> None:
    """Add a schema and all that it refers to."""
    if name in definitions:
        return
    definitions[name] = {}
    properties = {
        key: _property(value, schemas, definitions)
        for key, value in schemas[name].get("properties", {}).items()
        if not _UNSUPPORTED.match(value.get("description", "")) and not value.get("readOnly")
    }
    required = [key for key in properties if _is_required(schemas[name]["properties"][key])]
    definitions[name] = {"type": "object", "properties": properties, "additionalProperties": False}
    if required:
        definitions[name]["required"] = required


def _property(value: Json, schemas: Json, definitions: Json) -> Json:
    if "$ref" in value:
        _define(value["$ref"], schemas, definitions)
        return {"$ref": f"#/$defs/{value['$ref']}"}
    made = {key: value[key] for key in _KEPT if key in value}
    if "items" in value:
        made["items"] = _property(value["items"], schemas, definitions)
    if "additionalProperties" in value:
        made["additionalProperties"] = _property(value["additionalProperties"], schemas, definitions)
    if value.get("format") == "int64":  # JSON has it as a string, YAML as a number
        made["type"] = ["string", "integer"]
    return made


def _is_required(value: Json) -> bool:
    return str(value.get("description", "")).startswith("Required.")


def _annotations_of(resource: str, description: str) -> Iterator[str]:
    for name, resources in _ANNOTATION.findall(description):
        if resource in (part.strip() for part in resources.split(",")) or resources.startswith("All resources"):
            yield name


def _metadata(meta: Json, annotations: list[str]) -> Json:
    """Return the schema of a resource's metadata: of the platform's annotations only its own are allowed."""
    others = {"^(?!run\\.googleapis\\.com/|autoscaling\\.knative\\.dev/)": {"type": "string"}}
    allowed = {
        "type": "object",
        "properties": {name: {"type": "string"} for name in annotations},
        "patternProperties": others,
        "additionalProperties": False,
    }
    properties = {**meta["properties"], "annotations": allowed}
    return {**{key: value for key, value in meta.items() if key != "required"}, "properties": properties}


def _kind(name: str, definitions: Json) -> Json:
    group = "serving.knative.dev/v1" if name == "Service" else "run.googleapis.com/v1"
    definition = definitions[name]
    definition["properties"] |= {"apiVersion": {"const": group}, "kind": {"const": name}}
    definition["required"] = ["apiVersion", "kind", "metadata", "spec"]
    return {"$ref": f"#/$defs/{name}"}


def main(packages: Path) -> None:
    """Write the schema beside this module; `packages` is the folder in which Google's is unpacked."""
    document = packages / "googleapiclient" / "discovery_cache" / "documents" / "run.v1.json"
    schema = cloud_run_schema(json.loads(document.read_text()))
    Path(__file__).with_name("cloud_run.json").write_text(json.dumps(schema, indent=1) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
