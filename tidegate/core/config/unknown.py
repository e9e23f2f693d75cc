"""Suggest the right name for an unknown key, at any depth of the configuration."""

import difflib
from collections.abc import Collection, Iterable, Mapping
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin

from pydantic import BaseModel

from tidegate.core.config.environment import is_service_link
from tidegate.core.config.section import ConfigError
from tidegate.core.config.settings import Settings

Location = tuple[int | str, ...]

RENAMED = {"budgets.alert_usd_per_day": "alerts.usd_per_day"}
"""Settings that have another name now."""

_PREFIX = "TIDEGATE_"
_NEAR = 0.75
"""The likeness of two names, from 0 to 1, from which one is taken for the other mistyped."""


class UnknownVariable(ConfigError):
    """An environment variable looks like a setting and is none."""

    def __init__(self, variable: str, hint: str) -> None:
        self.variable = variable
        super().__init__(f"The environment variable {variable} is not a setting of Tidegate.{hint}")


def suggestion(wrong: str, known: Collection[str]) -> str:
    """Return a sentence with the known name that is nearest to `wrong`, or with all known names."""
    close = difflib.get_close_matches(wrong, sorted(known), n=1, cutoff=0.5)
    if close:
        return f" Did you mean {close[0]}?"
    return f" Known are: {', '.join(sorted(known))}." if known else ""


def new_name(location: Location) -> str:
    """Return a sentence with the present name of a setting that was renamed; empty for any other one."""
    name = RENAMED.get(".".join(map(str, location)))
    return f" It is {name} now." if name else ""


def sibling_keys(location: Location) -> list[str]:
    """Return the keys that are known in the table of `location`; an empty list where any key is allowed."""
    kind: Any = Settings
    for part in location[:-1]:
        kind = _child_type(kind, str(part))
    model = _model(kind)
    return list(model.model_fields) if model else []


def reject_unknown_variables(environ: Mapping[str, str]) -> None:
    """Raise ConfigError for a variable that looks like a setting and is none.

    Platforms set variables that begin with the name of a service or image; those that resemble no setting are ignored.
    """
    known = {"TIDEGATE_CONFIG", *_variables(Settings)}
    for variable, value in environ.items():
        if not variable.startswith(_PREFIX) or is_service_link(variable, value):
            continue
        parts = variable.split("__")
        setting = variable.removeprefix(_PREFIX).lower().replace("__", ".")
        if setting in RENAMED:
            renamed = _PREFIX + RENAMED[setting].upper().replace(".", "__")
            raise ConfigError(f"The environment variable {variable} is unknown. It is {renamed} now.")
        stem = "__".join(parts[:2])
        if stem not in known and not _is_in_a_map(parts):
            meant = _nearest(stem, known)
            if len(parts) == 1 and not meant:
                continue
            raise UnknownVariable(variable, suggestion(stem, meant or known))
        _reject_unknown_part(variable, parts)


def _nearest(variable: str, known: Collection[str]) -> set[str]:
    """Return the variable that is spelt almost like this one, or has the same key in a section."""
    name = variable.removeprefix(_PREFIX)
    same_key = sorted(other for other in known if other.endswith(f"__{name}"))
    if same_key:
        return set(same_key)
    names = sorted(other.removeprefix(_PREFIX) for other in known)
    return {_PREFIX + near for near in difflib.get_close_matches(name, names, n=1, cutoff=_NEAR)}


def _is_in_a_map(parts: list[str]) -> bool:
    section = parts[0].removeprefix("TIDEGATE_").lower()
    return len(parts) > 1 and get_origin(_without_none(_child_type(Settings, section))) is dict


def _reject_unknown_part(variable: str, parts: list[str]) -> None:
    kind: Any = _child_type(Settings, parts[0].removeprefix("TIDEGATE_").lower())
    for number, part in enumerate(parts[1:], start=1):
        model = _model(kind)
        if model and part.lower() not in model.model_fields:
            known = ["__".join([*parts[:number], name.upper()]) for name in model.model_fields]
            wrong = "__".join(parts[: number + 1])
            raise UnknownVariable(variable, suggestion(wrong, known))
        kind = _child_type(kind, part.lower())


def _variables(settings: type[BaseModel]) -> Iterable[str]:
    """Yield the variables of all sections and of their keys."""
    for name in settings.model_fields:
        yield f"TIDEGATE_{name}".upper()
        model = _model(_child_type(settings, name))
        yield from (f"TIDEGATE_{name}__{key}".upper() for key in (model.model_fields if model else ()))


def _child_type(kind: Any, part: str) -> Any:
    """Return the type of a table's key, or of the values of a map or a list; None if it is not known."""
    kind = _without_none(kind)
    if model := _model(kind):
        field = model.model_fields.get(part)
        return field.annotation if field else None
    arguments = get_args(kind)
    return {dict: arguments[1:2], list: arguments[:1]}.get(get_origin(kind), (None,))[0] if arguments else None


def _model(kind: Any) -> type[BaseModel] | None:
    kind = _without_none(kind)
    return kind if isinstance(kind, type) and issubclass(kind, BaseModel) else None


def _without_none(kind: Any) -> Any:
    """Return the type of an optional value."""
    if get_origin(kind) in (Union, UnionType):
        return next(argument for argument in get_args(kind) if argument is not NoneType)
    return kind
