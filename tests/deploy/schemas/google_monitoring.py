"""Makes the JSON Schema of Google's alert policies and log metrics from its discovery documents.

`make schemas` runs it on the documents that google-api-python-client carries. An unknown property is an error.
"""

import json
import sys
from pathlib import Path
from typing import Any

Json = dict[str, Any]

_ROOTS = {"monitoring.v3": "AlertPolicy", "logging.v2": "LogMetric"}
_KEPT = ("type", "enum")


def schema_of(documents: dict[str, Json]) -> Json:
    """Return a schema with a definition of each root, and of what it refers to."""
    definitions: Json = {}
    for name, root in _ROOTS.items():
        _define(root, documents[name]["schemas"], definitions)
    revisions = ", ".join(f"{name} {document['revision']}" for name, document in documents.items())
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$comment": f"Made by tests/deploy/schemas/google_monitoring.py from {revisions}, by Google LLC (Apache-2.0).",
        "$defs": dict(sorted(definitions.items())),
    }


def _define(name: str, schemas: Json, definitions: Json) -> None:
    if name in definitions:
        return
    definitions[name] = {}
    properties = {
        key: _property(value, schemas, definitions)
        for key, value in schemas[name].get("properties", {}).items()
        if not value.get("readOnly")
    }
    definitions[name] = {"type": "object", "properties": properties, "additionalProperties": False}


def _property(value: Json, schemas: Json, definitions: Json) -> Json:
    if "$ref" in value:
        _define(value["$ref"], schemas, definitions)
        return {"$ref": f"#/$defs/{value['$ref']}"}
    made: Json = {key: value[key] for key in _KEPT if key in value and value[key] != "any"}
    if "items" in value:
        made["items"] = _property(value["items"], schemas, definitions)
    if "additionalProperties" in value:
        made["additionalProperties"] = _property(value["additionalProperties"], schemas, definitions)
    return made


def main(packages: Path) -> None:
    """Write the schema beside this module; `packages` is the folder in which Google's is unpacked."""
    folder = packages / "googleapiclient" / "discovery_cache" / "documents"
    documents = {name: json.loads((folder / f"{name}.json").read_text()) for name in _ROOTS}
    Path(__file__).with_name("google_monitoring.json").write_text(json.dumps(schema_of(documents), indent=1) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
