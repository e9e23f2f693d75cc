"""Whether a platform's file follows the schema of that platform, which is kept beside this module."""

import json
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import msgspec

FOLDER = Path(__file__).with_name("schemas")
Resource = dict[str, Any]


def read(path: Path) -> Resource:
    """Return a file of YAML; services and jobs within it share no values."""
    return msgspec.yaml.decode(path.read_bytes(), type=dict[str, Any])


@cache
def _schema(name: str) -> Resource:
    return dict(json.loads((FOLDER / f"{name}.json").read_text()))


def breaches(resource: Any, schema: str, kind: str) -> list[str]:
    """Return where the resource does not follow the definition `kind` of a schema, and why."""
    definitions = _schema(schema)["$defs"]
    validator = jsonschema.Draft202012Validator({**definitions[kind], "$defs": definitions})
    return [f"{error.json_path}: {error.message}" for error in validator.iter_errors(resource)]
