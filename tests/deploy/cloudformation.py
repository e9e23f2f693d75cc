"""Reads CloudFormation's YAML, with its short functions, into plain values."""

import copy
import json
from pathlib import Path
from typing import Any

from cfnlint.decode import decode_str

Template = dict[str, Any]


def read(file: Path) -> Template:
    """Return a template; `!Ref X` is `{"Ref": "X"}`, `!Sub X` is `{"Fn::Sub": "X"}`."""
    decoded, errors = decode_str(file.read_text())
    assert not errors, errors
    template: Template = json.loads(json.dumps(decoded))  # without its notes of lines
    return template


def of_kind(template: Template, kind: str) -> dict[str, Any]:
    """Return the properties of each resource of a kind, by its name."""
    found = {name: resource for name, resource in template["Resources"].items() if resource["Type"] == kind}
    return {name: resource.get("Properties", {}) for name, resource in found.items()}


def plain_api(body: Template) -> Template:
    """Return an API's definition as the OpenAPI standard knows it.

    API Gateway's own `{proxy+}` and its method ANY become a plain parameter and POST, for a validator to look at.
    """
    paths = {}
    for path, methods in copy.deepcopy(body["paths"]).items():
        named = {"post" if name == "x-amazon-apigateway-any-method" else name: value for name, value in methods.items()}
        paths[path.replace("+}", "}")] = named
    return {**body, "paths": paths}
