"""Reads in a prompt what an answer repeats: the user's name, values for a schema, keys and names of tools.

It understands no language. It finds numbers, quoted texts, capitalised words and `name: value`, in English.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

_INTRODUCTION = re.compile(
    r"(?i:\b(?:my name is|my name's|i am called|call me)\s+)([A-ZÀ-Þ]\w*(?:[ -][A-ZÀ-Þ]\w*)*|\w+)"
    r"|(?i:\b(?:i'm|i am)\s+)([A-ZÀ-Þ]\w*(?:[ -][A-ZÀ-Þ]\w*)*)"
)
_NAME_QUESTION = re.compile(r"(?i)\b(?:what(?:'s| is) my name|who am i|(?:know|remember|tell me|say) my name)\b")
_QUOTED = re.compile(r"(?<!\w)'([^'\n]+)'(?!\w)|\"([^\"\n]+)\"|“([^”\n]+)”|`([^`\n]+)`|「([^」\n]+)」")
_CAPITALISED = re.compile(r"(?<![.!?:\"'“(]\s)(?<!^)(?<![\w-])[A-ZÀ-Þ][\w'-]*(?: [A-ZÀ-Þ][\w'-]*)*")
_NUMBER = re.compile(r"(?<![\w.-])-?\d+(?:\.\d+)?(?![\d])")
_KEYS = re.compile(r"(?i)\b(?:keys?|fields?|property|properties)\b")
_IDENTIFIER = re.compile(r"[A-Za-z_]\w*")
_FORMATS = {
    "date-time": re.compile(r"\b\d{4}-\d\d-\d\dT\d\d:\d\d[\w:.+-]*"),
    "date": re.compile(r"\b\d{4}-\d\d-\d\d\b"),
    "time": re.compile(r"\b\d\d:\d\d(?::\d\d)?\b"),
    "email": re.compile(r"\b[\w.+-]+@[\w-]+(?:\.[\w-]+)+\b"),
    "uri": re.compile(r"\bhttps?://[^\s'\"<>]+[^\s'\"<>.,;:!?)]"),
    "uuid": re.compile(r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b"),
    "ipv4": re.compile(r"\b\d{1,3}(?:\.\d{1,3}){3}\b"),
}
_LONGEST = 10_000
"""Characters of a prompt that are read: the last ones."""


def name_to_repeat(texts: Sequence[str]) -> str | None:
    """Return the name that the last of the user's texts asks for and an earlier one, or itself, gave."""
    if not texts or not _NAME_QUESTION.search(texts[-1][-_LONGEST:]):
        return None
    names = [_one(found) for text in texts for found in _INTRODUCTION.finditer(text[-_LONGEST:])]
    return names[-1] if names else None


def mentioned(names: Sequence[str], text: str) -> str | None:
    """Return the first of `names` that the text mentions, as it is or with spaces for underscores."""
    lowered = text[-_LONGEST:].lower()
    for name in names:
        words = {name.lower(), name.lower().replace("_", " ")}
        if any(re.search(rf"(?<!\w){re.escape(word)}(?!\w)", lowered) for word in words):
            return name
    return None


def keys_in(texts: Sequence[str]) -> tuple[str, ...]:
    """Return the quoted names in a text that speaks of keys or fields: what a JSON object shall have."""
    for text in reversed(texts):
        read = text[-_LONGEST:]
        if _KEYS.search(read):
            found = [_one(match) for match in _QUOTED.finditer(read)]
            if keys := tuple(dict.fromkeys(word for word in found if _IDENTIFIER.fullmatch(word))):
                return keys
    return ()


class PromptValues:
    """The values in a prompt. Each is taken once."""

    def __init__(self, text: str = "") -> None:
        self._text = text[-_LONGEST:]
        self._numbers = [match[0] for match in _NUMBER.finditer(self._text)]
        self._quoted = [_one(match) for match in _QUOTED.finditer(self._text)]
        self._capitalised = [match[0] for match in _CAPITALISED.finditer(self._text) if match[0] != "I"]

    def take(self, kind: str, schema: Mapping[str, Any], name: str = "") -> Any:
        """Return a value of a schema's type `kind` for its field `name`; None where the prompt has none."""
        if kind in ("integer", "number"):
            return self._number(schema, name, whole=kind == "integer")
        return self._string(schema, name) if kind == "string" else None

    def one_of(self, values: Sequence[Any]) -> Any:
        """Return the first of `values` that the prompt mentions; None for none."""
        words = {str(value): value for value in values if isinstance(value, str) and value}
        found = mentioned(list(words), self._text)
        return None if found is None else words[found]

    def _number(self, schema: Mapping[str, Any], name: str, *, whole: bool) -> float | None:
        named = self._named(name, _NUMBER.pattern)
        for written in [*named, *self._numbers]:
            value = float(written)
            if written in self._numbers and _fits(value, schema) and (not whole or value.is_integer()):
                self._numbers.remove(written)
                return int(value) if whole else value
        return None

    def _string(self, schema: Mapping[str, Any], name: str) -> str | None:
        if schema.get("format") in _FORMATS:
            found = _FORMATS[schema["format"]].search(self._text)
            return found[0] if found else None
        for source in (self._quoted, self._capitalised):
            named = [value for value in self._named(name, r"\S+") if value in source]
            for value in [*named, *source]:
                if _fits_text(value, schema):
                    source.remove(value)
                    return value
        return next((value for value in self._named(name, r"[\w-]+") if _fits_text(value, schema)), None)

    def _named(self, name: str, value: str) -> list[str]:
        """Return what stands after a field's name and a colon, `=` or "is", without quotes."""
        if not name:
            return []
        words = re.escape(name).replace("_", "[_ ]")
        pattern = rf"(?i:(?<!\w){words}\s*(?::|=|is|of|to)?\s+|(?<!\w){words}[:=])['\"“`]?({value})"
        return [found[1].rstrip("'\"”`.,;!?") for found in re.finditer(pattern, self._text)]


def _one(match: re.Match[str]) -> str:
    return next(group for group in match.groups() if group is not None)


def _fits(value: float, schema: Mapping[str, Any]) -> bool:
    step = schema.get("multipleOf")
    return (
        schema.get("minimum", value) <= value <= schema.get("maximum", value)
        and value > schema.get("exclusiveMinimum", value - 1)
        and value < schema.get("exclusiveMaximum", value + 1)
        and (not step or value % step == 0)
    )


def _fits_text(value: str, schema: Mapping[str, Any]) -> bool:
    if not schema.get("minLength", 0) <= len(value) <= schema.get("maxLength", len(value)):
        return False
    try:
        return "pattern" not in schema or re.search(schema["pattern"], value) is not None
    except re.error:  # a pattern of another dialect
        return False
