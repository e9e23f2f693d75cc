"""Where each value of the configuration comes from: a default, a line of the file, or an environment variable. Pure."""

import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec
from pydantic import BaseModel, SecretStr

from tidegate.core.config.environment import honoured_source
from tidegate.core.config.secret_reference import ReferredSecret, is_reference
from tidegate.core.config.settings import Settings
from tidegate.core.scrub import scrub

DEFAULT = "default"
HIDDEN = "(hidden)"
_TABLE = re.compile(r"^\s*(\[\[?)\s*(.+?)\s*\]\]?\s*(?:#.*)?$")
_KEY = re.compile(r"""^\s*((?:"[^"]*"|'[^']*'|[\w-]+)(?:\s*\.\s*(?:"[^"]*"|'[^']*'|[\w-]+))*)\s*=""")
_PART = re.compile(r"""\s*(?:"([^"]*)"|'([^']*)'|([\w-]+))\s*\.?""")

_Path = tuple[str, ...]


class ConfigValue(msgspec.Struct, frozen=True, kw_only=True):
    """One value in force."""

    setting: str
    value: str
    """As text; `HIDDEN` for a secret that is not a reference."""
    origin: str
    """`DEFAULT`, `FILE:LINE`, or the name of an environment variable."""


def config_values(settings: Settings, environ: Mapping[str, str], file: Path | None) -> list[ConfigValue]:
    """Return every value with its origin. `file` is the configuration file that was read, or None."""
    text = file.read_text(encoding="utf-8") if file is not None else ""
    lines = _lines(text) if text else {}
    written = tomllib.loads(text) if text else {}
    variables = {name.upper(): name for name in environ}
    values = []
    for path, value in _leaves(settings, ()):
        origin = _variable(path, variables) or _file_line(path, written, lines, file) or DEFAULT
        if origin == DEFAULT:
            origin = honoured_source(path, value, environ) or DEFAULT
        values.append(ConfigValue(setting=".".join(path), value=_text(value), origin=origin))
    return values


def _leaves(value: Any, path: _Path) -> Iterator[tuple[_Path, Any]]:
    if isinstance(value, BaseModel):
        members = [(name, getattr(value, name)) for name in type(value).model_fields]
    elif isinstance(value, dict):
        members = [(str(name), member) for name, member in value.items()]
    elif isinstance(value, list | tuple) and any(isinstance(each, BaseModel) for each in value):
        members = [(str(number), member) for number, member in enumerate(value)]
    else:
        members = []
    if not members:
        yield path, value
    for name, member in members:
        yield from _leaves(member, (*path, name))


def _variable(path: _Path, variables: Mapping[str, str]) -> str | None:
    """Return the variable that sets a value: its own, or that of a section around it, which is JSON."""
    names = ("TIDEGATE_" + "__".join(path[:length]).upper() for length in range(len(path), 0, -1))
    return next((variables[name] for name in names if name in variables), None)


def _file_line(path: _Path, written: Any, lines: Mapping[_Path, int], file: Path | None) -> str | None:
    """Return the file and the line that set a value; the line of the table around it where it is written inline."""
    for part in path:
        if isinstance(written, list) and part.isdecimal() and int(part) < len(written):
            written = written[int(part)]
        elif isinstance(written, dict) and part in written:
            written = written[part]
        else:
            return None
    line = next((lines[path[:length]] for length in range(len(path), 0, -1) if path[:length] in lines), None)
    return f"{file}:{line}" if line else str(file)


def _lines(text: str) -> dict[_Path, int]:
    """Return the number of the line on which each key, or its table, is written."""
    lines: dict[_Path, int] = {}
    table: _Path = ()
    counts: dict[_Path, int] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        if header := _TABLE.match(line):
            table = _within(_parts(header[2]), counts, is_new=header[1] == "[[")
            lines.setdefault(table, number)
        elif key := _KEY.match(line):
            lines.setdefault((*table, *_parts(key[1])), number)
    return lines


def _within(path: _Path, counts: dict[_Path, int], *, is_new: bool) -> _Path:
    """Return the path of a table with the number of each list's last element; `is_new` begins another element."""
    found: _Path = ()
    for part in path:
        found = (*found, part)
        if is_new and len([each for each in found if not each.isdecimal()]) == len(path):
            counts[found] = counts.get(found, -1) + 1
        if found in counts:
            found = (*found, str(counts[found]))
    return found


def _parts(text: str) -> _Path:
    return tuple(next(group for group in found if group is not None) for found in _groups(text))


def _groups(text: str) -> Iterator[tuple[str | None, ...]]:
    return (found.groups() for found in _PART.finditer(text))


def _text(value: Any) -> str:
    if isinstance(value, ReferredSecret):
        return str(value.reference)
    if isinstance(value, SecretStr):
        text = value.get_secret_value()
        return text if is_reference(text) else HIDDEN
    return "" if value is None else scrub(str(value))
