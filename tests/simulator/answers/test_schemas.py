"""The generated value is valid for each kind of JSON schema, and the same seed makes the same value."""

from random import Random
from typing import Any

import pytest
from pydantic import BaseModel, Field

from tidegate.simulator.answers.schemas import example


def made(schema: Any, seed: int = 1) -> Any:
    return example(schema, Random(seed))  # noqa: S311  # repeatable on purpose


class Port(BaseModel):
    """A model with fields of many kinds that also contains itself."""

    name: str = Field(min_length=3, max_length=40)
    depth: float = Field(gt=2, lt=3)
    berths: int = Field(ge=7, le=7)
    code: str = Field(pattern=r"^[A-Z]{2}-\d{3}$")
    kind: str | None
    near: list["Port"] = Field(max_length=2)
    tags: dict[str, str]


@pytest.mark.parametrize("seed", range(20))
def test_a_model_accepts_what_its_schema_makes_even_a_recursive_one(seed: int) -> None:
    Port.model_validate(made(Port.model_json_schema(), seed), strict=True)


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({"const": 7}, 7),
        ({"enum": ["a"]}, "a"),
        ({"type": "null"}, None),
        ({"type": "integer", "minimum": 10, "maximum": 14, "multipleOf": 5}, 10),
        ({"type": "integer", "exclusiveMinimum": 1, "exclusiveMaximum": 3}, 2),
        ({"type": "string", "format": "ipv4"}, "192.0.2.1"),
        ({"type": "string", "minLength": 4, "maxLength": 4, "pattern": "^abcd$"}, "abcd"),
        ({"type": "array", "items": {"const": 1}, "minItems": 3}, [1, 1, 1]),
        ({"type": "array", "prefixItems": [{"const": 1}, {"const": 2}], "items": False}, [1, 2]),
        ({"allOf": [{"properties": {"a": {"const": 1}}}, {"properties": {"b": {"const": 2}}}]}, {"a": 1, "b": 2}),
        ({"anyOf": [{"const": 1}]}, 1),
        ({"$ref": "#/$defs/x~1y", "$defs": {"x/y": {"const": 3}}}, 3),
        ({"required": ["a"], "additionalProperties": {"const": 4}}, {"a": 4}),
        (True, "tide"),
    ],
)
def test_a_schema_with_one_answer_gets_it(schema: Any, value: Any) -> None:
    assert made(schema) == value


def test_recursion_ends_where_it_may() -> None:
    tree = {
        "type": "object",
        "properties": {"next": {"anyOf": [{"$ref": "#"}, {"type": "null"}]}},
        "required": ["next"],
    }
    assert made(tree) == {"next": None}


def test_the_same_seed_makes_the_same() -> None:
    schema = Port.model_json_schema()
    assert made(schema, 3) == made(schema, 3)
    assert made(schema, 3) != made(schema, 4)
