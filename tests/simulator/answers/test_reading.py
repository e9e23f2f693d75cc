"""An answer repeats what its prompt says: a name, numbers and words that fit a schema, the keys of an object."""

from random import Random
from typing import Any

import pytest

from tests.simulator.client import Json
from tidegate.simulator.answers.reading import keys_in, mentioned, name_to_repeat
from tidegate.simulator.answers.schemas import example


@pytest.mark.parametrize(
    ("texts", "name"),
    [
        (["Hi, my name is Bob", "What is my name?"], "Bob"),
        (["My name is Alice. I like tides.", "Who am I?"], "Alice"),
        (["call me Anna Lee and be brief", "what's my name"], "Anna Lee"),
        (["my name is bob", "Do you remember my name?"], "bob"),
        (["I'm Ann", "No, I am Élodie", "Tell me my name"], "Élodie"),
        (["My name is Bob. What is my name?"], "Bob"),
        (["Hi, my name is Bob", "When is high tide?"], None),
        (["I am tired", "What is my name?"], None),
        ([], None),
    ],
)
def test_a_name_is_repeated_when_it_is_asked_for(texts: list[str], name: str | None) -> None:
    assert name_to_repeat(texts) == name


@pytest.mark.parametrize(
    ("prompt", "fields", "value"),
    [
        ("What is the value of magic_function(3)? Use the tool.", {"input": {"type": "integer"}}, {"input": 3}),
        ("Add 2 and 3.5", {"a": {"type": "number"}, "b": {"type": "number"}}, {"a": 2.0, "b": 3.5}),
        ("b is 2, a is 7", {"a": {"type": "integer"}, "b": {"type": "integer"}}, {"a": 7, "b": 2}),
        ("Between -4 and 40", {"at": {"type": "integer", "minimum": 0}}, {"at": 40}),
        ("Sum 1, 2 and 3", {"all": {"type": "array", "items": {"type": "integer"}}}, {"all": [1, 2, 3]}),
        ("What's the weather in San Francisco?", {"location": {"type": "string"}}, {"location": "San Francisco"}),
        ("Create 'Tide & Co' now", {"name": {"type": "string"}}, {"name": "Tide & Co"}),
        ('Rename "old one" to "new one"', {"a": {"type": "string"}, "b": {"type": "string"}},
         {"a": "old one", "b": "new one"}),
        ("the colour is blue", {"colour": {"type": "string"}}, {"colour": "blue"}),
        ("In celsius, please", {"unit": {"enum": ["fahrenheit", "celsius"]}}, {"unit": "celsius"}),
        ("Write to ann@example.org on 2026-05-04",
         {"to": {"type": "string", "format": "email"}, "on": {"type": "string", "format": "date"}},
         {"to": "ann@example.org", "on": "2026-05-04"}),
        ("Take BR-123 or 'x'", {"code": {"type": "string", "pattern": "^[A-Z]{2}-[0-9]{3}$"}}, {"code": "BR-123"}),
        ("Nest 5", {"in": {"type": "object", "properties": {"n": {"type": "integer"}}}}, {"in": {"n": 5}}),
        ("Maybe 5", {"n": {"anyOf": [{"type": "integer"}, {"type": "null"}]}}, {"n": 5}),
    ],
)  # fmt: skip
def test_values_of_the_prompt_that_fit_are_used(prompt: str, fields: Json, value: Any) -> None:
    schema = {"type": "object", "properties": fields}
    assert example(schema, Random(1), prompt) == value  # noqa: S311  # repeatable on purpose


def test_what_does_not_fit_is_not_used() -> None:
    schema = {"type": "object", "properties": {"n": {"type": "integer", "maximum": 9}, "s": {"type": "string"}}}
    value = example(schema, Random(1), "when 12 tides came")  # noqa: S311  # repeatable on purpose
    assert value["n"] <= 9
    assert "tides" not in value["s"]


@pytest.mark.parametrize(
    ("texts", "keys"),
    [
        (["Answer as JSON with 'setup' and 'punchline' keys.", "A joke?"], ("setup", "punchline")),
        (['Use the fields "a", "b_c" and "a".'], ("a", "b_c")),
        (["Answer as JSON.", "Tell 'cats'"], ()),
    ],
)
def test_the_keys_of_an_object_are_those_that_the_prompt_names(texts: list[str], keys: tuple[str, ...]) -> None:
    assert keys_in(texts) == keys


def test_a_tool_is_found_by_its_name_with_underscores_or_spaces() -> None:
    tools = ["tide", "get_weather"]
    assert mentioned(tools, "Use get_weather") == mentioned(tools, "please Get Weather") == "get_weather"
    assert mentioned(tools, "tides") is None
