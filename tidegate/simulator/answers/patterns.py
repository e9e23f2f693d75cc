"""Generates a text that matches a regular expression."""

import re
import string
from random import Random

_CLASSES = {
    "d": string.digits,
    "w": string.ascii_letters + string.digits + "_",
    "s": " ",
    "D": string.ascii_letters,
    "W": "-",
    "S": string.ascii_lowercase,
}
_ANY = string.ascii_lowercase
_CONTROLS = {"n": "\n", "t": "\t", "r": "\r"}
_MORE = 2
"""Repetitions beyond the minimum, where a pattern allows any number."""


def matching(pattern: str, random: Random) -> str:
    """Return a text that matches `pattern`, which may have groups, classes, alternatives and counts.

    Look-arounds and back references are not supported: the text may not match then.
    """
    return _PatternWriter(pattern, random).alternatives()


class _PatternWriter:
    """Writes while it reads. Each method leaves the position after what it read."""

    def __init__(self, pattern: str, random: Random) -> None:
        self._pattern = pattern
        self._at = 0
        self._random = random

    def alternatives(self) -> str:
        written = [self._sequence()]
        while self._peek() == "|":
            self._at += 1
            written.append(self._sequence())
        return self._random.choice(written)

    def _peek(self) -> str:
        return self._pattern[self._at : self._at + 1]

    def _next(self) -> str:
        character = self._peek()
        self._at += 1
        return character

    def _sequence(self) -> str:
        text = ""
        while self._peek() not in ("", "|", ")"):
            begin = self._at
            once = self._atom()
            end = self._at
            times = self._times()
            parts = [once]
            for _ in range(1, times):
                after, self._at = self._at, begin
                parts.append(self._atom())
                self._at = after
            text += "".join(parts[:times]) if end > begin else ""
        return text

    def _atom(self) -> str:
        character = self._next()
        if character in "^$":
            return ""
        if character == "(":
            prefix = re.compile(r"\?(:|P<\w+>)").match(self._pattern, self._at)
            self._at = prefix.end() if prefix else self._at
            text = self.alternatives()
            self._next()
            return text
        if character == "[":
            return self._random.choice(self._class())
        if character == "\\":
            return self._random.choice(self._escaped())
        return self._random.choice(_ANY) if character == "." else character

    def _escaped(self) -> str:
        """Return the characters that an escape stands for; an anchor stands for none but must leave one to choose."""
        character = self._next()
        return _CLASSES.get(character) or _CONTROLS.get(character, character)

    def _class(self) -> str:
        """Return the characters of a class in brackets."""
        negated = self._peek() == "^"
        self._at += negated
        characters = ""
        while self._peek() != "]" or not characters:
            characters += self._range()
        self._next()
        if negated:
            return "".join(c for c in string.ascii_letters + string.digits + " -" if c not in characters)
        return characters

    def _range(self) -> str:
        if self._peek() == "\\":
            self._next()
            return self._escaped()
        first = self._next()
        if self._peek() == "-" and self._pattern[self._at + 1 : self._at + 2] not in ("]", ""):
            self._next()
            return "".join(map(chr, range(ord(first), ord(self._next()) + 1)))
        return first

    def _times(self) -> int:
        counted = re.compile(r"\{(\d+)(,?)(\d*)\}|[*+?]").match(self._pattern, self._at)
        if counted is None:
            return 1
        self._at = counted.end() + (self._pattern[counted.end() : counted.end() + 1] == "?")
        if counted.group() in "*+?":
            least, most = {"*": (0, _MORE), "+": (1, 1 + _MORE), "?": (0, 1)}[counted.group()]
        else:
            least = int(counted.group(1))
            open_end = least + _MORE if counted.group(2) else least
            most = int(counted.group(3)) if counted.group(3) else open_end
        return self._random.randint(least, min(most, least + _MORE))
