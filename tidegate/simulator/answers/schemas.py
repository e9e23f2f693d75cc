"""Generates a value that a JSON schema accepts."""

from collections.abc import Mapping
from random import Random
from typing import Any

from tidegate.simulator.answers.patterns import matching
from tidegate.simulator.answers.reading import PromptValues

_DEEP = 6
"""Below this depth only required fields are filled in, and the shallowest alternative is taken."""

_FORMATS = {
    "date-time": "2026-01-31T12:00:00Z",
    "date": "2026-01-31",
    "time": "12:00:00Z",
    "duration": "PT1H",
    "email": "tide@example.com",
    "hostname": "example.com",
    "ipv4": "192.0.2.1",
    "ipv6": "2001:db8::1",
    "uuid": "5f0c1a52-7d1e-4b69-9c61-1f2a3b4c5d6e",
    "uri": "https://example.com/tide",
}
_MAX_ITEMS = 20
"""Items of an array that has no limit."""
_WORDS = ("tide", "moon", "gate", "river", "shore", "harbour", "salt", "wind")


def example(schema: Mapping[str, Any], random: Random, prompt: str = "") -> Any:
    """Return a valid value for `schema`: JSON Schema as OpenAI's structured outputs support it, and some more.

    Numbers and words are those of the prompt, as far as they fit.
    """
    return _SchemaWriter(schema, random, PromptValues(prompt)).value(schema, 0)


class _SchemaWriter:
    def __init__(self, root: Mapping[str, Any], random: Random, prompt: PromptValues) -> None:
        self._root = root
        self._random = random
        self._prompt = prompt

    def value(self, schema: Any, depth: int, name: str = "") -> Any:
        """Return a value; `name` is that of the field."""
        if not isinstance(schema, Mapping):  # `true` accepts anything
            return "tide"
        if "const" in schema:
            return schema["const"]
        if schema.get("enum"):
            chosen = self._random.choice(schema["enum"])
            found = self._prompt.one_of(schema["enum"])
            return chosen if found is None else found
        combined = self._combined(schema)
        if combined is not None:
            return self.value(combined, depth + 1, name)
        kind = self._type_of(schema, depth)
        found = self._prompt.take(kind, schema, name)
        return self._of_type(kind, schema, depth) if found is None else found

    def _combined(self, schema: Mapping[str, Any]) -> Mapping[str, Any] | None:
        """Return the schema with one `$ref`, `allOf` or choice resolved; None when there is none."""
        for word in ("$ref", "allOf", "anyOf", "oneOf"):
            if word not in schema:
                continue
            rest = {key: value for key, value in schema.items() if key != word}
            if word == "$ref":
                return _merge(self._resolve(schema[word]), rest)
            if word != "allOf":
                return _merge(min(schema[word], key=self._depth_of), rest)
            for part in schema[word]:
                rest = _merge(rest, part)
            return rest
        return None

    def _resolve(self, reference: str) -> Mapping[str, Any]:
        found: Any = self._root
        for part in reference.removeprefix("#").strip("/").split("/"):
            if part:
                found = found[part.replace("~1", "/").replace("~0", "~")]
        return found if isinstance(found, Mapping) else {}

    def _depth_of(self, schema: Any, depth: int = 0) -> int:
        """Return the nesting of the smallest value, at most `_DEEP`: recursion must end."""
        if depth > _DEEP or not isinstance(schema, Mapping):
            return depth
        if "$ref" in schema:
            return self._depth_of(self._resolve(schema["$ref"]), depth + 1)
        for word in ("anyOf", "oneOf"):
            if schema.get(word):
                return min(self._depth_of(part, depth + 1) for part in schema[word])
        needed = [schema.get("properties", {}).get(name) for name in schema.get("required", ())]
        if schema.get("minItems") and "items" in schema:
            needed.append(schema["items"])
        return max((self._depth_of(part, depth + 1) for part in needed), default=depth)

    def _type_of(self, schema: Mapping[str, Any], depth: int) -> str:
        kind = schema.get("type")
        if isinstance(kind, list):
            return "null" if depth > _DEEP and "null" in kind else str(kind[0])
        if isinstance(kind, str):
            return kind
        if "properties" in schema or "required" in schema:
            return "object"
        return "array" if "items" in schema or "prefixItems" in schema else "string"

    def _of_type(self, kind: str, schema: Mapping[str, Any], depth: int) -> Any:
        if kind == "object":
            return self._object(schema, depth)
        if kind == "array":
            return self._array(schema, depth)
        if kind in ("integer", "number"):
            return _number(schema, self._random, whole=kind == "integer")
        if kind == "string":
            return self._string(schema)
        return self._random.random() < 0.5 if kind == "boolean" else None

    def _object(self, schema: Mapping[str, Any], depth: int) -> dict[str, Any]:
        properties = schema.get("properties", {})
        required = schema.get("required", ())
        names = [name for name in properties if name in required or depth < _DEEP - 2]
        value = {name: self.value(properties[name], depth + 1, name) for name in names}
        for name in required:
            value.setdefault(name, self.value(schema.get("additionalProperties", True), depth + 1))
        return value

    def _array(self, schema: Mapping[str, Any], depth: int) -> list[Any]:
        found = self._items_of_prompt(schema, depth)
        if len(found) >= max(1, schema.get("minItems", 0)):
            return found
        first = [self.value(part, depth + 1) for part in schema.get("prefixItems", ())]
        least, most = schema.get("minItems", 0), schema.get("maxItems", 1 << 20)
        wanted = max(least, min(most, 0 if depth >= _DEEP - 2 else 2))
        more = wanted - len(first) if schema.get("items", True) is not False else 0
        return first + [self.value(schema.get("items", True), depth + 1) for _ in range(more)]

    def _items_of_prompt(self, schema: Mapping[str, Any], depth: int) -> list[Any]:
        """Return all numbers or words of the prompt that the array may have."""
        items = schema.get("items")
        found: list[Any] = []
        if isinstance(items, Mapping) and "prefixItems" not in schema and "enum" not in items:
            kind = self._type_of(items, depth)
            while len(found) < schema.get("maxItems", _MAX_ITEMS):
                if (one := self._prompt.take(kind, items)) is None:
                    break
                found.append(one)
        return found

    def _string(self, schema: Mapping[str, Any]) -> str:
        if "pattern" in schema:
            return matching(schema["pattern"], self._random)
        if schema.get("format") in _FORMATS:
            return _FORMATS[schema["format"]]
        text = self._random.choice(_WORDS)
        while len(text) < schema.get("minLength", 0):
            text += " " + self._random.choice(_WORDS)
        return text[: schema.get("maxLength", len(text))]


def _merge(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    """Return a schema that combines both, as far as generating needs it."""
    merged = {**one, **other}
    if "properties" in one and "properties" in other:
        merged["properties"] = {**one["properties"], **other["properties"]}
    if "required" in one and "required" in other:
        merged["required"] = [*one["required"], *other["required"]]
    return merged


def _number(schema: Mapping[str, Any], random: Random, *, whole: bool) -> int | float:
    step = schema.get("multipleOf", 1 if whole else 0.5)
    low = schema.get("minimum", schema.get("exclusiveMinimum"))
    high = schema.get("maximum", schema.get("exclusiveMaximum"))
    if low is None:
        low = 1 if high is None else high - 100 * step
    steps = -(-low // step)
    if steps * step <= schema.get("exclusiveMinimum", steps * step - 1):
        steps += 1
    room = 99 if high is None else max(0, int((high - steps * step) // step))
    steps += random.randint(0, min(room, 99))
    if steps * step >= schema.get("exclusiveMaximum", steps * step + 1):
        steps -= 1
    number = steps * step
    if high is not None and not low <= number <= high:  # no multiple fits: the middle is at least within the bounds
        number = (low + high) / 2
    return int(number) if whole else float(number)
